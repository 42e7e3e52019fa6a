"""FDDB: the folds with their ellipses, and lists of detections in the benchmark's own form."""
