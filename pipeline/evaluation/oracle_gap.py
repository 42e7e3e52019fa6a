"""The oracle gap: AP of the same boxes in the best possible order, minus AP (CRFace, section 3.1).

It is what a ranker of these boxes could gain at most; what is missing above it needs other boxes. The stage `oracle`
writes such detections and suppresses them; here nothing is suppressed, so that the boxes stay the same.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.closest_face import closest_overlap
from pipeline.boxes.matching import first_hits
from pipeline.evaluation.closest_faces import ClosestFaces
from pipeline.evaluation.wider_ap import ApCounts, Matches, ScoreRange, enters, score_range


def oracle_range(matches: Matches, closest: ClosestFaces) -> ScoreRange:
    """Returns the range of the oracle's scores over some images, merged by `|`; what they are normalised with.

    The score of a box is its highest IoU (+1) with any face of its image, counted or ignored, 0 without one. Those
    below `closest_faces.NEAR` are measured only until one of exactly 0 is found.
    """
    near_N = closest.face_N >= 0
    found = score_range(closest.iou_N[near_N])
    images = np.arange(len(matches.has_faces_I) + 1)
    first_box, first_face = np.searchsorted(matches.image_N, images), np.searchsorted(matches.image_F, images)
    for image in images[:-1]:
        if found.low == 0:
            break
        rows, faces = slice(*first_box[image : image + 2]), slice(*first_face[image : image + 2])
        far = matches.boxes_N4[rows][~near_N[rows]]
        found = found | score_range(closest_overlap(far, matches.faces_F4[faces], pixel_inclusive=True))
    return found


def count_oracle(matches: Matches, closest: ClosestFaces, scores: ScoreRange) -> dict[str, ApCounts]:
    """Returns the counts per subset with every score replaced by the oracle's; their AP is exact.

    Boxes of an image are sorted by falling score, equal ones in their present order. A box of less than
    `closest_faces.NEAR` enters with the lowest score of the set: it is far behind every match either way, where only
    the order of false alarms among themselves could differ, which no AP depends on.

    Args:
        matches: of some images.
        closest: the closest face of each detection.
        scores: `oracle_range` over the whole set.
    """
    score_N: NDArray[np.float64] = np.where(closest.face_N >= 0, closest.iou_N, scores.low)
    order = np.lexsort((-score_N, matches.image_N))
    face_N = matches.face_N[order]
    ordered = replace(
        matches,
        boxes_N4=matches.boxes_N4[order],
        image_N=matches.image_N[order],
        face_N=face_N,
        first_N=first_hits(face_N, len(matches.faces_F4)),
        enters_N=enters(scores.normalise(score_N[order])),
    )
    return ordered.counts_of_subsets()
