"""Validators: how good a network is on held-out images during its training."""
