"""A ranker loaded from its weights: puts the candidates of any detector in a better order."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch

from pipeline.api.faces import Faces
from pipeline.api.images import read_bgr
from pipeline.boxes.suppression import nms
from pipeline.inference.device import choose_device
from pipeline.inference.rerank import Reranker
from pipeline.models.weights import open_ranker


class FaceRanker:
    """A ranker on its device.

    Attributes:
        name: entry of `pipeline.models.rankers.RANKERS`.
        reranker: the network.
    """

    def __init__(self, name: str, reranker: Reranker) -> None:
        """Args: name and network."""
        self.name, self.reranker = name, reranker

    def __repr__(self) -> str:
        """Returns name and device."""
        return f"FaceRanker({self.name}, {self.reranker.device})"

    def rerank(self, candidates: Faces, *, iou: float | None = 0.4) -> Faces:
        """Returns the candidates by refined score, then suppressed; boxes are not moved.

        Scores are sums of score and correction: they have an order, and no threshold of the detector applies to them.

        Args:
            candidates: of `FaceDetector.candidates`: before suppression, whose choice would depend on the old order.
            iou: a box that overlaps a better one by more is dropped (sides one larger); None keeps all.

        Raises OSError, ValueError: the image is gone or of another size; ValueError: ``iou`` is outside 0..1.
        """
        if iou is not None and not 0 <= iou <= 1:
            raise ValueError(f"iou: expected a number in 0..1 or None, found {iou}")
        image = read_bgr(candidates.image, candidates.channels)
        if image.shape[:2] != (candidates.height, candidates.width):
            now, size = f"{image.shape[1]} x {image.shape[0]}", f"{candidates.width} x {candidates.height}"
            raise ValueError(f"{candidates.image}: expected {size} pixels as detected, found {now}")
        ranked = self.reranker(image, candidates.scored)
        if iou is not None and len(ranked):
            ranked = ranked.take(nms(torch.from_numpy(ranked.boxes), torch.from_numpy(ranked.scores), iou).numpy())
        return candidates.with_boxes(ranked)


def load_ranker(weights: str | PathLike[str], *, device: str = "auto") -> FaceRanker:
    """Returns the ranker of a checkpoint that `train_ranker` wrote.

    Args:
        weights: its file.
        device: "cpu", "cuda" or "auto": a GPU where there is one.

    Raises OSError: the file cannot be read; ValueError: it holds no ranker, or the device is unknown.
    """
    name, ranker = open_ranker(Path(weights).expanduser())
    return FaceRanker(name, Reranker(ranker, choose_device(device)))
