"""HCAM's labels and loss against the released code's numbers and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.models.detectors.detector import Raw
from pipeline.training.losses.context import discrepancy_label
from pipeline.training.losses.detection import SigmoidObjective
from pipeline.training.losses.focal import FocalLoss
from pipeline.training.losses.targets import Targets
from tests.training.losses.reduction import reduced
from tests.training.losses.test_focal import LABEL, LOGITS, table


def losses(logits: Tensor, progressive: Tensor, label: Tensor, **settings: object) -> tuple[Tensor, Tensor, Tensor]:
    """The class terms of a MogFace network with HCAM and their sum; no box is wrong."""
    boxes, points = torch.zeros(*label.shape, 4), torch.zeros(*label.shape, 10)
    raw = Raw(boxes, logits[..., None], progressive=progressive[..., None])
    objective = SigmoidObjective(**settings)  # type: ignore[arg-type]
    terms, total = objective(raw, Targets(boxes, points, label, torch.zeros_like(label, dtype=torch.bool)))
    return terms["face"], terms["context"], total


@pytest.mark.wider
@pytest.mark.parametrize("case", range(4))
def test_published_vectors(shared: Path, case: int) -> None:
    z = np.load(shared / "reference" / "mogface" / "losses.npz")
    main = torch.from_numpy(z[f"c{case}_conf_logits"])[..., 0].requires_grad_()
    second = torch.from_numpy(z[f"c{case}_hcam_conf1_logits"])[..., 0].requires_grad_()
    label = torch.from_numpy(z[f"c{case}_targets"])[..., 4].long().clamp(min=0)
    threshold = z[f"c{case}_hcam_fp_th"].item()
    hard = discrepancy_label(main, label, threshold)
    np.testing.assert_array_equal(hard, z[f"c{case}_hcam_label"][..., 0])
    face, context, total = losses(main, second, label, context_weight=3.0, threshold=threshold)
    assert context.item() == pytest.approx(z[f"c{case}_hcam_loss"].item(), rel=1e-5)
    assert face.item() == pytest.approx(z[f"c{case}_crit_cls"].item(), rel=1e-5)
    assert total.item() == pytest.approx((face + 3 * context).item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(context, second, retain_graph=True)
    wanted = z[f"c{case}_hcam_grad_conf1"][..., 0]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())
    assert torch.autograd.grad(context, main, allow_unused=True)[0] is None


def test_a_label_is_kept_where_the_main_classifier_says_face() -> None:
    logits = torch.logit(torch.tensor([[0.9, 0.3, 0.05, 0.02, 0.11, 0.14]], dtype=torch.float64))
    label = torch.tensor([[1, 0, 0, 1, 1, -1]])
    assert discrepancy_label(logits, label).tolist() == [[1, 0, -1, -1, 1, -1]]
    assert discrepancy_label(logits, label, 0.5).tolist() == [[1, -1, -1, -1, -1, -1]]
    assert discrepancy_label(logits, label, 0.01).tolist() == label.tolist()


def test_a_score_equal_to_the_threshold_is_not_confident() -> None:
    """Sigmoid of 0 is 0.5 to the bit, of -ln 3 a quarter."""
    label = torch.tensor([[1, 0, 1, 0]])
    at_half = torch.tensor([[0.0, 0.0, 1e-6, 1e-6]])
    assert discrepancy_label(at_half, label, 0.5).tolist() == [[-1, -1, 1, 0]]
    quarter = torch.logit(torch.tensor([[0.25]], dtype=torch.float64))
    assert torch.sigmoid(quarter).item() == 0.25
    assert discrepancy_label(quarter, label[:, :1], 0.25).item() == -1
    assert discrepancy_label(quarter + 1e-9, label[:, :1], 0.25).item() == 1


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_decides_as_exactly_as_its_logits_allow(kind: torch.dtype) -> None:
    """Every logit near the threshold that the type can hold; a sigmoid in half precision would move some across."""
    logits = torch.linspace(-4, 4, 40_001).to(kind).unique()[None]
    label = torch.ones(logits.shape, dtype=torch.int64)
    for threshold in (0.1, 0.12, 0.3, 0.5, 0.7, 0.9):
        exact = torch.sigmoid(logits.double()) > threshold
        assert torch.equal(discrepancy_label(logits, label, threshold) == 1, exact), threshold


def test_the_context_loss_is_both_terms() -> None:
    further = LOGITS.flip(0)
    hard = discrepancy_label(LOGITS, LABEL)
    sums = [sum(map(sum, table(*pair))) for pair in ((LOGITS, LABEL), (further, hard))]
    faces = [5, max(2, int((hard == 1).sum()))]
    assert faces[0] != faces[1]
    main, progressive = (one / count for one, count in zip(sums, faces, strict=True))
    for gamma in (1.0, 0.5):
        found = losses(LOGITS, further, LABEL, context_weight=gamma)
        assert [each.item() for each in found] == pytest.approx([main, progressive, main + gamma * progressive])


def test_settings_reach_both_terms() -> None:
    further, focal = LOGITS.flip(0), FocalLoss(alpha=0.4)
    face, context, _ = losses(LOGITS, further, LABEL, threshold=0.5, focal=focal)
    hard = discrepancy_label(LOGITS, LABEL, 0.5)
    assert face.item() == pytest.approx(reduced(focal(LOGITS, LABEL), LABEL).item())
    assert context.item() == pytest.approx(reduced(focal(further, hard), hard).item())


def test_both_classifiers_learn_and_the_choice_does_not() -> None:
    logits, further = LOGITS.clone().requires_grad_(), LOGITS.flip(0).clone().requires_grad_()
    _, _, total = losses(logits, further, LABEL)
    (one,) = torch.autograd.grad(total, logits, retain_graph=True)
    (alone,) = torch.autograd.grad(reduced(FocalLoss()(logits, LABEL), LABEL), logits)
    assert torch.allclose(one, alone)
    (two,) = torch.autograd.grad(total, further)
    assert ((two != 0) == (discrepancy_label(LOGITS, LABEL) >= 0)).all()
    assert not discrepancy_label(logits, LABEL).requires_grad
