"""The networks that several tasks could use: `convnets` for pictures, `transformer` for text."""
