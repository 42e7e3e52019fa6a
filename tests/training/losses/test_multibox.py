"""The multibox loss against published vectors, a plain loop over anchors, and by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.models.detectors.detector import Raw
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.data.batch import Faces
from pipeline.training.losses.multibox import MultiboxLoss
from pipeline.training.losses.targets import Targets, encode_targets
from tests.training.losses.test_box_regression import smooth


@pytest.mark.wider
@pytest.mark.parametrize("case", [1, 2])
def test_published_vectors(shared: Path, case: int) -> None:
    z = np.load(shared / "reference" / "retinaface" / f"loss_case{case}.npz")
    rows = [torch.from_numpy(z[f"target{i}"]) for i in range(len(z["loc"]))]
    faces = [Faces(r[:, :4], r[:, 4:14].reshape(-1, 5, 2), r[:, 14] > 0) for r in rows]
    # The vectors are in units of the image's side, 160 pixels.
    grid = Anchors.of(AnchorGrid((8, 16, 32), ((16, 32), (64, 128), (256, 512))), 160, 160)
    centres = torch.from_numpy(z["priors"])
    torch.testing.assert_close(grid.centres / 160, centres)
    lattices = tuple(replace(each, stride=each.stride / 160) for each in grid.lattices)
    anchors = Anchors(centres, BoxCoder().decode(torch.zeros_like(centres), centres), lattices)
    targets = encode_targets(anchors, faces, ASSIGNERS["max_iou"].build(), BoxCoder())

    # The published label is -1 for a face without landmarks.
    label = torch.where(targets.marked, 1, -targets.label)
    np.testing.assert_array_equal(label.numpy(), z["match_conf"])
    learned = z["match_conf"] != 0
    np.testing.assert_allclose(targets.boxes.numpy()[learned], z["match_loc"][learned], rtol=1e-5, atol=1e-5)
    marked = z["match_conf"] > 0
    np.testing.assert_allclose(targets.landmarks.numpy()[marked], z["match_landm"][marked], rtol=1e-5, atol=1e-5)

    outputs = [torch.from_numpy(z[name]).requires_grad_() for name in ("loc", "conf", "landm")]
    losses = MultiboxLoss()(Raw(*outputs), targets)
    losses.total.backward()
    names = ("loss_loc", "loss_cls", "loss_landm", "loss_total")
    for got, name in zip((*losses.terms.values(), losses.total), names, strict=True):
        assert got.item() == pytest.approx(z[name].item(), rel=1e-5)
    for output, name in zip(outputs, ("grad_loc", "grad_conf", "grad_landm"), strict=True):
        assert output.grad is not None
        np.testing.assert_allclose(output.grad.numpy(), z[name], rtol=1e-5, atol=1e-6 * np.abs(z[name]).max())


def _random(images: int, anchors: int, faces: int, seed: int) -> tuple[Raw, Targets]:
    g = torch.Generator().manual_seed(seed)
    raw = Raw(*(torch.randn(images, anchors, k, generator=g, requires_grad=True) for k in (4, 2, 10)))
    label = torch.zeros(images, anchors, dtype=torch.int64)
    for image in range(images):
        label[image, torch.randperm(anchors, generator=g)[: faces * image]] = 1
    marked = (label == 1) & (torch.rand(images, anchors, generator=g) < 0.6)
    boxes, points = (torch.randn(images, anchors, k, generator=g) for k in (4, 10))
    return raw, Targets(boxes=boxes, landmarks=points, label=label, marked=marked)


def _smooth(a: torch.Tensor, b: torch.Tensor) -> float:
    return sum(smooth(x - y, 1.0) for x, y in zip(a.tolist(), b.tolist(), strict=True))


@pytest.mark.parametrize(("anchors", "faces"), [(60, 2), (40, 6)])
def test_equals_a_loop_over_anchors(anchors: int, faces: int) -> None:
    """Image 0 has no faces and adds nothing; with 6 and more faces of 40 anchors the negatives run out."""
    raw, targets = _random(4, anchors, faces, seed=3)
    box = face = marks = 0.0
    for b in range(4):
        loss = [
            math.log(sum(math.exp(v) for v in logits)) - logits[label]
            for logits, label in zip(raw.logits[b].tolist(), targets.label[b].tolist(), strict=True)
        ]
        hits = [a for a in range(anchors) if targets.label[b, a] == 1]
        misses = sorted((loss[a] for a in range(anchors) if a not in hits), reverse=True)
        face += sum(loss[a] for a in hits) + sum(misses[: min(7 * len(hits), anchors - 1)])
        assert raw.landmarks is not None
        for a in hits:
            box += _smooth(raw.boxes[b, a], targets.boxes[b, a])
            marks += _smooth(raw.landmarks[b, a], targets.landmarks[b, a]) * bool(targets.marked[b, a])
    n, m = int((targets.label == 1).sum()), int(targets.marked.sum())
    got = MultiboxLoss(box_weight=3.0, face_weight=2.0, landmark_weight=0.5)(raw, targets)
    expected = (box / n, face / n, marks / m, 3 * box / n + 2 * face / n + 0.5 * marks / m)
    assert [x.item() for x in (*got.terms.values(), got.total)] == pytest.approx(expected, rel=1e-5)


def test_no_faces_at_all_is_zero_with_zero_gradients() -> None:
    raw, targets = _random(1, 20, 0, seed=5)
    losses = MultiboxLoss()(raw, targets)
    losses.total.backward()
    assert losses.total.item() == 0.0
    for output in (raw.boxes, raw.logits, raw.landmarks):
        assert output is not None
        assert output.grad is not None
        assert not output.grad.any()


def test_ignored_anchors_count_nowhere() -> None:
    raw, targets = _random(2, 30, 3, seed=7)
    before = MultiboxLoss(negatives=100)(raw, targets).terms
    hidden = torch.nonzero(targets.label[1] == 0).squeeze(1)[:4]
    targets.label[1, hidden] = -1
    after = MultiboxLoss(negatives=100)(raw, targets).terms
    gap = torch.nn.functional.cross_entropy(raw.logits[1, hidden], torch.zeros(4, dtype=torch.int64), reduction="sum")
    assert (before["face"] - after["face"]).item() == pytest.approx(gap.item() / 3, rel=1e-5)
    assert after["box"].item() == before["box"].item()


def test_without_a_landmark_head() -> None:
    raw, targets = _random(2, 30, 3, seed=9)
    terms, total = MultiboxLoss()(Raw(raw.boxes, raw.logits, None), targets)
    assert terms["landmarks"].item() == 0.0
    assert total.item() == pytest.approx((2 * terms["box"] + terms["face"]).item())


def test_refuses_logits_of_another_shape() -> None:
    raw, targets = _random(2, 30, 3, seed=9)
    with pytest.raises(ValueError, match=r"\(2, 30, 10\).*\(2, 30, 2\)"):
        MultiboxLoss()(Raw(raw.boxes, raw.landmarks, None), targets)


def class_term(label: list[list[int]], logits: list[list[float]], negatives: int) -> float:
    """The class term; each logit is that of face, against 0."""
    faces, labels = torch.tensor(logits, dtype=torch.float64), torch.tensor(label)
    raw = Raw(torch.zeros(*labels.shape, 4), torch.stack([torch.zeros_like(faces), faces], dim=2), None)
    return MultiboxLoss(negatives=negatives)(raw, _targets(labels)).terms["face"].item()


def _targets(label: torch.Tensor, marked: torch.Tensor | None = None) -> Targets:
    marked = torch.zeros_like(label, dtype=torch.bool) if marked is None else marked
    return Targets(torch.zeros(*label.shape, 4), torch.zeros(*label.shape, 10), label, marked)


def entropy(logit: float, label: int) -> float:
    return math.log(1 + math.exp(-logit if label else logit))


def test_the_hardest_negatives_of_each_image_by_itself() -> None:
    logits = [[1.0, 3.0, -2.0, 0.5, 2.0], [4.0, 5.0, 6.0, 7.0, 8.0]]
    label = [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    # Two for the one face of the first image; the second has none, however wrong it is.
    wanted = entropy(1.0, 1) + entropy(3.0, 0) + entropy(2.0, 0)
    assert class_term(label, logits, 2) == pytest.approx(wanted)
    label[1][4] = 1
    wanted += entropy(8.0, 1) + entropy(7.0, 0) + entropy(6.0, 0)
    assert class_term(label, logits, 2) == pytest.approx(wanted / 2)


def test_at_most_all_but_one_negative_and_no_ignored_one() -> None:
    faces = entropy(1.0, 1) + entropy(2.0, 1)
    assert class_term([[1, 1, 0]], [[1.0, 2.0, 3.0]], 5) == pytest.approx((faces + entropy(3.0, 0)) / 2)
    wanted = entropy(1.0, 1) + entropy(3.0, 0)
    assert class_term([[1, -1, 0, 0]], [[1.0, 9.0, 3.0, -3.0]], 1) == pytest.approx(wanted)


def test_landmarks_are_divided_by_the_faces_that_have_some() -> None:
    targets = _targets(torch.tensor([[1, 1, 1, 0]]), torch.tensor([[False, True, False, False]]))
    raw = Raw(torch.full((1, 4, 4), 2.0), torch.zeros(1, 4, 2), torch.full((1, 4, 10), 0.5))
    found = MultiboxLoss()(raw, targets).terms
    assert found["landmarks"].item() == pytest.approx(10 * smooth(0.5, 1.0))
    assert found["box"].item() == pytest.approx(4 * smooth(2.0, 1.0))
    assert found["face"].item() == pytest.approx(4 * math.log(2) / 3)
