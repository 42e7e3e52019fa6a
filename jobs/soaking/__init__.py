"""The parts of `jobs/soak.py`: faults, passes under them, what they left, and a cluster on one machine."""
