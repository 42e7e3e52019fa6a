"""The numbers that the papers and the released code print, where they are defaults: a slip of one digit is an error."""

from __future__ import annotations

from pipeline.boxes.coder import BoxCoder
from pipeline.data.canvas import LONG_EDGE_8K
from pipeline.evaluation.wider_ap import IOU, STEPS
from pipeline.training.assigners.ali_ams import AliAms
from pipeline.training.assigners.max_iou import MaxIou
from pipeline.training.augment.das import ANCHOR_SIZES, DataAnchorSampling
from pipeline.training.augment.sse import CONFIG_EDGES, PAPER_EDGES, SelectiveScale
from pipeline.training.losses.box_regression import SmoothL1Loss
from pipeline.training.losses.detection import SigmoidObjective
from pipeline.training.losses.focal import FocalLoss
from pipeline.training.losses.hambox import HamBoxLoss
from pipeline.training.losses.multibox import MultiboxLoss
from pipeline.training.losses.pairwise_rank import PairwiseRankLoss


def test_wider_face_and_8k() -> None:
    assert (IOU, STEPS, LONG_EDGE_8K) == (0.5, 1000, 7680)


def test_retinaface() -> None:
    matching, loss, coder = MaxIou(), MultiboxLoss(), BoxCoder()
    assert (matching.positive, matching.low_quality_iou, matching.reassign_best) == (0.35, 0.2, True)
    assert matching.compensation is None
    assert (loss.negatives, loss.box_weight, loss.face_weight, loss.landmark_weight) == (7, 2.0, 1.0, 1.0)
    assert (coder.centre_variance, coder.size_variance, coder.pixel_inclusive) == (0.1, 0.2, False)


def test_mogface() -> None:
    assert PAPER_EDGES == (8.4, 20.7, 48.2, 106.2, 212.4, 420.8, 640.0)
    assert CONFIG_EDGES == (8.4, 26.7, 54.0, 106.2, 212.4, 420.8, 640.0)
    scale = SelectiveScale()
    assert (scale.edges, scale.shares) == (PAPER_EDGES, (0.2, 0.16))
    assert AliAms() == AliAms(MaxIou(0.35, 0.0, False, None), "paper")
    focal = FocalLoss(0.25, 2.0, 1e-7)
    assert SigmoidObjective() == SigmoidObjective(1.0, 2.0, 1.0, 1.0, False, 0.1, focal, SmoothL1Loss(1 / 9))
    assert SmoothL1Loss() == SmoothL1Loss(1 / 9)
    assert HamBoxLoss() == HamBoxLoss(FocalLoss(), SmoothL1Loss(), 0.5)


def test_data_anchor_sampling() -> None:
    assert DataAnchorSampling().sizes == ANCHOR_SIZES == (16, 32, 64, 128, 256, 512)


def test_crface() -> None:
    loss = PairwiseRankLoss()
    assert (loss.pairs, loss.temperature, loss.form) == (10, 1.0, "logistic")
