"""What the configs cost, counted from their networks and divided by what was measured; see `jobs/costs.py`."""
