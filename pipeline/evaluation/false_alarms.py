"""False alarms at one score: the NFA of MogFace's Table 5, as whole numbers per image that add up.

AP hardly moves when a few hundred confident boxes are on no face, and those are what a user sees. The paper counts
them (948 for its baseline, 192 with HCAM, over the 3,226 validation images) but names neither the score nor the rule;
see `FalseAlarms.count` and `PAPER_SCORE` for those used here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.boxes.matching import match_faces
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.schemas import FLOAT64, INT64, columns
from pipeline.evaluation.counted_metric import CountedMetric, Figures
from pipeline.evaluation.result_table import percent
from pipeline.evaluation.wider_ap import IOU

# A guess from the paper's magnitudes. Public predictions with hard APs of 81.5 and 83.0 have 1,833 and 1,530 at 0.5,
# 2,780 and 2,760 at 0.4, 1,185 and 698 at 0.6, 418 and 37 at 0.8: the paper's baseline, 86.5 with 948, fits one half.
PAPER_SCORE: Final = 0.5


@dataclass(frozen=True, slots=True)
class FalseAlarms(CountedMetric):
    """Whole counts at one score over some images; adding two of them is exact.

    Attributes:
        score: raw score at and above which a detection counts.
        alarms: detections on no face, whatever its level.
        found: "easy" | "medium" | "hard" -> counted faces that a detection is on; few alarms mean little
            where few faces are found.
    """

    ap_columns: ClassVar[tuple[pa.Field, ...]] = (
        *columns(FLOAT64, "alarm_score", null=True),  # raw score at and above which the next two count
        *columns(INT64, "alarms", null=True),  # boxes on no face of any level: the same number in every row
        *columns(INT64, "found", null=True),  # counted faces of this subset with a box
    )
    table_columns: ClassVar[tuple[pa.Field, ...]] = (
        *columns(FLOAT64, "alarm_score", null=True),
        *columns(INT64, "alarms", null=True),
        *columns(FLOAT64, "recall", null=True),  # share of the hard faces that is found at that score, null without any
    )
    titles: ClassVar[tuple[str, ...]] = ("false alarms", "hard recall")

    score: float
    alarms: int
    found: Mapping[str, int]

    @classmethod
    def count(cls, predictions: PredictionSet, truth: WiderGroundTruth, setting: float = PAPER_SCORE) -> FalseAlarms:
        """Returns the false alarms over all images of the ground truth, and the faces found at the same score.

        A detection goes to the face of highest IoU (+1, at least 0.5) among all labelled faces of its image, as for the
        AP. One that reaches none is a false alarm. One on a face that counts in no level is not (there is a face), nor
        is the second one on a face (suppression's fault, not the classifier's): the AP and the report's gallery are
        stricter and count that one. Unlike for the AP, images without any face count, and scores are not normalised, so
        that the number does not depend on the other images.

        Args:
            predictions: rows in any order; images that the ground truth does not have are left out.
            truth: faces, and which of them count in each level.
            setting: raw score, reached with equality.

        Raises ValueError: the score is no number, or infinite.
        """
        if not math.isfinite(setting):
            raise ValueError(f"false_alarms: expected a score, found {setting}")
        face_N, found_F = detected_faces(predictions, truth, setting)
        flags = {level: np.concatenate([np.zeros(0, bool), *each]) for level, each in truth.counts.items()}
        found = {level: int((found_F & counted_F).sum()) for level, counted_F in flags.items()}
        return cls(setting, int((face_N < 0).sum()), found)

    def __add__(self, other: FalseAlarms) -> FalseAlarms:
        """Raises ValueError where the two were counted at different scores."""
        if self.score != other.score:
            raise ValueError(f"false alarms at scores {self.score:g} and {other.score:g} do not add up")
        found = {level: number + other.found[level] for level, number in self.found.items()}
        return FalseAlarms(self.score, self.alarms + other.alarms, found)

    def row(self, subset: str) -> Mapping[str, Any]:
        """Returns score, false alarms and found faces of one subset."""
        return {"alarm_score": self.score, "alarms": self.alarms, "found": self.found[subset]}

    def to_json(self) -> Mapping[str, Any]:
        """Returns `{"score", "alarms", "found"}`."""
        return asdict(self)

    def line(self, subset: str, faces: int) -> str:
        """Returns the number of both in a sentence."""
        found = f"{self.found[subset]} of {faces} faces found"
        return f"{self.alarms} false alarms at score {self.score:g}, {found}"

    @classmethod
    def figures(cls, hard: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns score, false alarms and the share of the hard faces that is found."""
        recall = hard["found"] / hard["faces"] if hard["faces"] else None
        return {"alarm_score": hard["alarm_score"], "alarms": hard["alarms"], "recall": recall}

    @classmethod
    def texts(cls, figures: Figures) -> Sequence[str]:
        """Returns the number of false alarms, and recall in per cent."""
        return str(figures["alarms"]), percent(figures.get("recall", math.nan))

    @classmethod
    def at(cls, figures: Figures) -> str:
        """Returns the score."""
        return f" at {figures['alarm_score']:g}"


def detected_faces(
    predictions: PredictionSet, truth: WiderGroundTruth, score: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Returns the face of each detection from a raw score on (-1: none), and for each face whether one is on it.

    Faces are numbered through all images of the ground truth; detections of other images are left out.
    """
    rows = predictions.select(truth.image_ids)
    use_N = rows.scores >= score
    faces_F4 = np.concatenate([np.zeros((0, 4)), *truth.boxes])
    image_F = np.repeat(np.arange(len(truth.boxes)), [len(faces) for faces in truth.boxes])
    face_N = match_faces(rows.boxes[use_N], rows.image_rows()[use_N], faces_F4, image_F, IOU)
    found_F = np.zeros(len(faces_F4), bool)
    found_F[face_N[face_N >= 0]] = True
    return face_N, found_F
