"""Validators: evaluation of a network on held-out images during its training."""
