"""The network a training starts with: random weights that belong to a seed, or those of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pipeline.models.checkpoint import FIRST_WEIGHTS
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.models.weights import load


def initial_detector(
    name: str, seed: int, model_args: Mapping[str, Any] | None = None, weights: bytes | None = None
) -> Detector:
    """Returns the detector to be trained; the process's own random stream is left where it was.

    Args:
        name: entry of `DETECTORS`.
        seed: of the random weights.
        model_args: arguments of the detector's factory.
        weights: a checkpoint of the same architecture, for training on; None for random weights.

    Raises:
        ValueError: there is no such detector or switch, or the checkpoint is of another architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Weights that are replaced at once need not be fetched.
        unneeded = {FIRST_WEIGHTS} if weights is not None else set()
        detector = DETECTORS.find(name).build(
            **{switch: value for switch, value in (model_args or {}).items() if switch not in unneeded}
        )
    if weights is not None:
        load(detector, weights)
    return detector
