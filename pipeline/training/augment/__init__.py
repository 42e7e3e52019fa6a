"""Augmentation: one example and a random generator in, a changed example out; arguments are never written to."""
