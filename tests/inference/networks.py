"""A small detector with varied answers, and noise to show it."""

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.models.detectors.detector import Detector
from pipeline.models.detectors.retinaface import retinaface_mobilenet


def lively_detector() -> Detector:
    """Returns an untrained RetinaFace: with the usual first weights every signal fades, and any tiling looks right."""
    torch.manual_seed(0)
    detector = retinaface_mobilenet().eval()
    for module in detector.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    with torch.no_grad():
        for parameter in detector.heads.parameters():
            parameter.mul_(0.01)
    return detector


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Returns uint8 [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
