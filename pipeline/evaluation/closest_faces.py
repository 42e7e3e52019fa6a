"""The closest face of every detection, also below the overlap of a match: what errors, recall and the oracle need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.iou import iou_pairs
from pipeline.boxes.matching import match_faces
from pipeline.evaluation.wider_ap import Matches

NEAR: Final = 0.1
"""Least IoU at which a detection belongs to a face at all; the border between a badly placed box and background that
TIDE (Bolya et al., ECCV 2020) uses."""


@dataclass(frozen=True, slots=True)
class ClosestFaces:
    """Detections N, each with its closest face.

    Attributes:
        face_N: int64 [N], row of the face of highest IoU (+1; the first one on ties) where that is at least `NEAR`,
            else -1. Where the IoU is at least 0.5 it is the face of the protocol.
        iou_N: float64 [N], that IoU; 0 where it is below `NEAR`.
    """

    face_N: NDArray[np.int64]
    iou_N: NDArray[np.float64]


def closest_faces(matches: Matches) -> ClosestFaces:
    """Returns the closest face of every detection, among all faces of its image, counted or ignored."""
    face_N = match_faces(matches.boxes_N4, matches.image_N, matches.faces_F4, matches.image_F, NEAR)
    near = np.flatnonzero(face_N >= 0)
    iou_N = np.zeros(len(face_N))
    iou_N[near] = iou_pairs(matches.boxes_N4[near], matches.faces_F4[face_N[near]], pixel_inclusive=True)
    return ClosestFaces(face_N, iou_N)
