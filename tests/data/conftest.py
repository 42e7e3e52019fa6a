"""Fixtures of the stages, for readers that are tested on the output of a stage."""

from tests.stages.conftest import _threads, weights, world

__all__ = ["_threads", "weights", "world"]
