"""Synthetic faces: appearance, shapes, background, rendering, and the dataset made of them."""
