"""The incremental machine: what must be computed, what is already there, and why. Knows no faces, no torch, no Ray."""
