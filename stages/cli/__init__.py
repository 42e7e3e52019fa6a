"""The commands of `wider8k`, one group per file; each has `register(app)`."""
