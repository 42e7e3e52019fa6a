"""Tasks: how a network is built, computes its loss and is saved."""
