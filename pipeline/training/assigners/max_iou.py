"""RetinaFace's matching: each anchor takes the face it overlaps most, each face its best anchor by force."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.boxes.geometry import pairwise_iou
from pipeline.training.assigners.assignment import BACKGROUND, FACE, Assignment, all_background


def assign_by_max_iou(anchors: Tensor, faces: Tensor, positive: float = 0.35, forced: float = 0.2) -> Assignment:
    """Returns which face each anchor learns, as published RetinaFace training does it.

    1. An anchor is FACE if its highest IoU with any face is at least `positive`; it learns that face.
    2. A face whose best anchor reaches `forced` makes that anchor FACE whatever its IoU.
    3. A face's best anchor is handed to the face (the last one, where two faces share it) even if the face stayed
       under `forced`. So an anchor that is FACE because of one face may learn another, hopeless one: a quirk of the
       published code, kept because its losses and weights come from it.
    4. If no face reaches `forced`, everything is background.

    Example: two anchors, face A with IoU (0.60, 0.10) and face B with IoU (0.15, 0.00). Anchor 0 is FACE through A,
    but B's best anchor is anchor 0 too, so `face` is (1, 0) and `label` is (1, 0).

    One departure: faces without positive width and height are passed over, because no anchor can be moved onto them
    (their encoding is infinite); the indices of the other faces stay as they are.

    Args:
        anchors: float [A, 4], xyxy; pixels or 0..1, as long as `faces` uses the same frame.
        faces: float [F, 4], xyxy.
        positive: IoU from which an anchor is FACE.
        forced: IoU from which a face's best anchor is FACE by force.
    """
    usable = torch.nonzero((faces[:, 2:] > faces[:, :2]).all(dim=1)).squeeze(1)
    if len(usable) == 0:
        return all_background(len(anchors), anchors.device)
    iou_FA = pairwise_iou(faces[usable], anchors)
    best_of_face, anchor_of_face = iou_FA.max(dim=1)
    best_of_anchor, face_of_anchor = iou_FA.max(dim=0)
    reached = best_of_face >= forced
    if not bool(reached.any()):
        return all_background(len(anchors), anchors.device)

    # The last face wins a shared anchor: the largest index, which is what amax gives without a loop over faces.
    order = torch.arange(len(usable), device=faces.device)
    claimed = torch.full_like(face_of_anchor, -1).scatter_reduce(0, anchor_of_face, order, "amax")
    face_of_anchor = torch.where(claimed >= 0, claimed, face_of_anchor)

    is_face = best_of_anchor >= positive
    is_face[anchor_of_face[reached]] = True
    return Assignment(face=usable[face_of_anchor], label=torch.where(is_face, FACE, BACKGROUND))
