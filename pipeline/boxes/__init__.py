"""Plain arithmetic on boxes: anchors, coding, suppression. Knows torch, nothing else."""
