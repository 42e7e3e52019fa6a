"""The training loop: one step, one session of many steps, and what both need."""
