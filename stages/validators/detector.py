"""A judge of a training: a detector's AP on images it does not learn from, each process looking at its share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from pipeline.data.canvas import parse_canvas
from pipeline.data.datasets.wider_face.ground_truth import ground_truth_of
from pipeline.data.images import decode
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Detections, Sample
from pipeline.evaluation.wider_result import evaluate
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor
from pipeline.models.detectors.detector import Detector
from pipeline.training.loop.validator import mean_ap


@dataclass(frozen=True)
class DetectorValidator:
    """Single scale at original size, WIDER FACE protocol over these images alone; a `Judge`.

    Suppression is RetinaFace's whatever the detector: one yardstick for all, not the final result of any.

    Attributes:
        samples: images and faces.
        read: path -> compressed bytes.
        accelerated: look with the GPU.
        score: boxes at or below it are dropped.
        iou: of suppression.
    """

    measure: ClassVar[str] = "ap"

    samples: Sequence[Sample]
    read: Callable[[str], bytes]
    accelerated: bool = False
    score: float = 0.02
    iou: float = 0.4

    def __call__(self, detector: Detector, rank: int, processes: int) -> list[Detections]:
        """Returns the detections of every n-th image, from the rank-th on; errors have none."""
        device = "cuda" if self.accelerated else "cpu"
        original, found = parse_canvas("original"), []
        with torch.random.fork_rng(devices=[]):  # layers of the predictor's own copy are made with random weights
            predictor = Predictor(detector, device)
            for sample in self.samples[rank::processes]:
                try:
                    image = decode(self.read(sample.path))
                    candidates = predictor.candidates(image, original)
                # No picture, or an answer that is no number: nothing found here, whatever the other processes see.
                except (OSError, ValueError) as error:
                    found.append(Detections(sample.image_id, 0, 0, error=str(error)))
                    continue
                kept = detections(candidates, score=self.score, iou=self.iou, max_detections=None)
                height, width = image.shape[:2]
                found.append(Detections(sample.image_id, width, height, kept.boxes, kept.scores))
        return found

    def verdict(self, shares: Sequence[list[Detections]]) -> dict[str, float]:
        """Returns level -> AP of all shares."""
        truth = ground_truth_of(self.samples)
        return dict(evaluate(truth, PredictionSet.of([each for share in shares for each in share])).ap)

    def worth(self, verdict: Mapping[str, float]) -> float:
        """Returns the mean AP of the levels, see `mean_ap`."""
        return mean_ap(verdict)
