"""Parts of `jobs/rehearsal.py`."""
