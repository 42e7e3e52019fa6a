"""Functions for scripts and notebooks: load a detector, find faces, rank them, evaluate; see `pipeline`."""
