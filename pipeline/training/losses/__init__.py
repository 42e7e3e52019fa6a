"""Losses: from raw network outputs and targets to numbers that can be differentiated."""
