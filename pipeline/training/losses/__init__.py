"""Losses: from raw detector outputs and targets to numbers that can be differentiated."""
