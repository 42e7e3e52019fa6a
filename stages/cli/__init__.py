"""The commands of `wider8k`, one group per file; `main` adds them."""
