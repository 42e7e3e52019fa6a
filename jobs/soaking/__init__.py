"""The parts of `jobs/soak.py`: faults, passes under them and what they left."""
