"""Backbones: image to feature levels with known channels and strides."""
