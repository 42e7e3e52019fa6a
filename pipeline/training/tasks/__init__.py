"""Tasks: what is trained. How a network is initialised, computes its loss and is saved."""
