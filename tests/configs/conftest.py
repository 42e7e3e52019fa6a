"""Fixtures of the stages' tests, for configs that are run."""

from tests.stages.conftest import _threads, weights, wider8k

__all__ = ["_threads", "weights", "wider8k"]
