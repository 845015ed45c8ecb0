"""The commands for boards: `listing` prints what there is, `building` makes a bitstream."""
