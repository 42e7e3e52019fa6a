"""Plain arithmetic on boxes: geometry, anchors, coding, suppression. Knows torch, nothing else."""
