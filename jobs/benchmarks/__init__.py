"""What `jobs/benchmark.py` measures: one section per file, ours and the peer side by side."""
