"""Validator of a detector's training: AP on held-out images, each process on its share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.data.canvas import parse_canvas
from pipeline.data.datasets.wider_face.ground_truth import ground_truth_of
from pipeline.data.images import decode
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Detections, Sample
from pipeline.evaluation.wider_result import evaluate
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor
from pipeline.models.detectors.detector import Detector


@dataclass(frozen=True)
class DetectorValidator:
    """A `Validator`: single scale at original size, WIDER FACE protocol over these images alone.

    Suppression is RetinaFace's for every detector: comparable numbers, not the final result of any.

    Attributes:
        samples: images and faces.
        read: path -> compressed bytes.
        accelerated: use the GPU.
    """

    name: ClassVar[str] = "ap"

    samples: Sequence[Sample]
    read: Callable[[str], bytes]
    accelerated: bool = False

    def __call__(self, detector: Detector, rank: int, processes: int) -> list[Detections]:
        """Returns the detections of every n-th image, from the rank-th on; errors have none."""
        device = "cuda" if self.accelerated else "cpu"
        original, found = parse_canvas("original"), []
        predictor = Predictor(detector, device)
        for sample in self.samples[rank::processes]:
            try:
                image = decode(self.read(sample.path))
                candidates = predictor.candidates(image, original)
            # No image, or outputs that are not finite: no detections here, and the other processes go on.
            except (OSError, ValueError) as error:
                found.append(Detections(sample.image_id, 0, 0, error=str(error)))
                continue
            kept = detections(candidates, max_detections=None)
            height, width = image.shape[:2]
            found.append(Detections(sample.image_id, width, height, kept.boxes, kept.scores))
        return found

    def metrics(self, shares: Sequence[list[Detections]]) -> dict[str, float]:
        """Returns level -> AP of all shares."""
        truth = ground_truth_of(self.samples)
        return dict(evaluate(truth, PredictionSet.of([each for share in shares for each in share])).ap)

    def score(self, metrics: Mapping[str, float]) -> float:
        """Returns the mean AP of the levels that have faces, 0 where none has; the AP of the others is NaN."""
        known = [value for value in metrics.values() if value == value]
        return sum(known) / max(len(known), 1)
