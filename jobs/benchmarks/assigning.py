"""Standard matching and Ali-AMS of a batch against the obvious loop over faces."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from jobs.benchmarks.alternate import seconds_in_turn
from jobs.benchmarks.results import Section, more_is_better
from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.iou import iou_matrix
from pipeline.training.assigners.ali_ams import AliAms
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import FACE
from pipeline.training.assigners.faces import FaceBatch, Predicted

IMAGES, SIDE, FACES = 8, 800, 40
STRIDES = (4, 8, 16, 32, 64, 128)


def assigning_section(rounds: int) -> Section:
    """Returns the line of matching + Ali-AMS for 8 images of 800 x 800 with 40 faces each, on one thread.

    Ours (ten times) and the loop (once) alternate; medians count.

    Raises:
        RuntimeError: the two disagree on an anchor, and the figures would compare different work.
    """
    anchors, faces, predicted = _batch()
    assigner = AliAms()

    def loop() -> list[tuple[Tensor, Tensor]]:
        return [_one_image(anchors, boxes, score) for boxes, score in zip(faces.boxes, predicted.logits, strict=True)]

    got, looped = assigner(anchors, faces, predicted), loop()
    ten, theirs = seconds_in_turn(rounds, lambda: [assigner(anchors, faces, predicted) for _ in range(10)], loop)
    mine = ten / 10
    for image, (face, label) in enumerate(looped):
        learns = label == FACE
        if not torch.equal(label, got.label[image]) or not torch.equal(face[learns], got.face[image][learns]):
            raise RuntimeError(f"the loop and the assigner disagree on image {image}")
    what = f"assigning, images/s: matching + Ali-AMS, {SIDE} x {SIDE}, {FACES} faces each"
    notes = [
        f"a batch of {IMAGES} images, {len(anchors)} anchors on six levels, one thread, medians of {rounds} rounds in "
        f"turn, load {os.getloadavg()[0]:.2f}; ours {1000 * mine:.1f} ms, loop {1000 * theirs:.0f} ms",
        f"of {int((got.label == FACE).sum())} matched anchors {int(got.compensated.sum())} are compensated; both "
        "agree on every one",
        "peer: for each image, each face against all anchors with vector operations; ours has no loop over faces and "
        "visits the anchors near a face only",
    ]
    return Section("assigning", [more_is_better(what, IMAGES / mine, IMAGES / theirs)], notes)


def _batch() -> tuple[Anchors, FaceBatch, Predicted]:
    """Returns crowd-like faces: half their sides below 25 pixels, a few of hundreds."""
    random = torch.Generator().manual_seed(1)
    sides = 8 * torch.exp(torch.rand(IMAGES, FACES, 1, generator=random) ** 2 * 3.6)
    sides = sides * torch.tensor([1.0, 1.2])
    low = torch.rand(IMAGES, FACES, 2, generator=random) * (SIDE - sides).clamp(min=1)
    faces = FaceBatch(torch.cat([low, low + sides], dim=2), torch.ones(IMAGES, FACES, dtype=torch.bool))
    anchors = Anchors.of(AnchorGrid(STRIDES, tuple((4.0 * stride,) for stride in STRIDES)), SIDE, SIDE)
    logits = torch.randn(IMAGES, len(anchors), generator=random)
    return anchors, faces, Predicted(logits, anchors.corners.expand(IMAGES, -1, 4))


def _one_image(anchors: Anchors, faces: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Returns face and label [A] of one image, face by face, as one would first write it."""
    count = len(anchors)
    best, face, label = torch.zeros(count), torch.zeros(count, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
    forced = []
    for index, box in enumerate(faces):
        iou = iou_matrix(box[None], anchors.corners)[0]
        better = iou > best
        best[better], face[better] = iou[better], index
        forced.append(int(iou.argmax()))
    label[best >= 0.35] = FACE
    for index, anchor in enumerate(forced):
        face[anchor], label[anchor] = index, FACE
    standard, start = label.clone(), 0
    for end in anchors.level_ends:
        matched = [int(((standard[start:end] == FACE) & (face[start:end] == i)).sum()) for i in range(len(faces))]
        for index, have in enumerate(matched):
            if 0 < have < max(matched):
                _compensate(anchors.corners[start:end], faces[index], max(matched), max(matched) - have,
                            logits[start:end], face[start:end], label[start:end], index)  # fmt: skip
        start = end
    return face, label


def _compensate(
    corners: Tensor, box: Tensor, most: int, need: int, logits: Tensor, face: Tensor, label: Tensor, index: int
) -> None:
    """Writes into `face` and `label` what one face gets on one level."""
    gap = (corners[:, :2] + corners[:, 2:]) / 2 - (box[:2] + box[2:]) / 2
    near = (gap * gap).sum(dim=1).topk(most, largest=False).indices
    iou = iou_matrix(box[None], corners)[0]
    touching = torch.nonzero(iou).flatten()  # a stable sort of all would take longer than everything else
    high = touching[iou[touching].sort(descending=True, stable=True).indices[:most]]
    candidates = torch.cat([near, high]).unique()
    candidates = candidates[label[candidates] != FACE]
    chosen = candidates[logits[candidates].sort(descending=True, stable=True).indices[:need]]
    face[chosen], label[chosen] = index, FACE
