"""Fixtures of the stages, for readers that are tested on what a stage wrote."""

from tests.stages.conftest import _threads, weights, world

__all__ = ["_threads", "weights", "world"]
