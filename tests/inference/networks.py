"""Small networks with varied answers, and noise to show them."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.models.detectors.detector import Detector
from pipeline.models.detectors.retinaface import retinaface_mobilenet
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.ranker import Ranker
from pipeline.models.weights import save_bytes


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


def lively_file(folder: Path) -> Path:
    """Writes the weights of `lively_detector`, which name it, and returns their path; no random state changes."""
    with torch.random.fork_rng():
        detector = lively_detector()
    file = folder / "untrained.safetensors"
    file.write_bytes(save_bytes("retinaface_mobilenet", detector))
    return file


def lively_ranker(name: str) -> Ranker:
    """Returns an untrained ranker of 40 candidates: a last layer that begins at zero hides all that is before it."""
    torch.manual_seed(0)
    ranker = RANKERS.find(name).build(num_candidates=40).eval()
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return ranker


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Returns uint8 [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
