"""Faces as boxes from any published form of annotation, for benchmarks that need no images."""
