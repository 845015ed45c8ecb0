"""The demo: a trained `network` inferred by generated units in simulation.

May import `stimulus` and `simulation`.
"""
