import pytest
import torch
from torch import Tensor

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.models.detectors.detector import Detector, Normalisation, Raw


class OneBox(Detector):
    """Says the same everywhere; one level, one anchor of side 10 per cell of 8."""

    grid = AnchorGrid((8,), ((10,),))
    coder = BoxCoder(1, 1)

    def forward(self, images: Tensor) -> Raw:
        count = self.grid.count(images.shape[2], images.shape[3])
        return Raw(torch.zeros(len(images), count, 4), torch.full((len(images), count, 1), 2.0))


def test_normalisation_subtracts_in_bgr_order_then_scales() -> None:
    pixels = torch.tensor([[[10, 20, 30]]], dtype=torch.uint8)
    assert Normalisation((1, 2, 3))(pixels).tolist() == [[[9, 18, 27]]]
    assert Normalisation((1, 2, 3), 0.5)(pixels).tolist() == [[[4.5, 9, 13.5]]]
    assert pixels.tolist() == [[[10, 20, 30]]]


def test_normalisation_per_channel_and_red_first() -> None:
    pixels = torch.tensor([[[10, 20, 30], [40, 50, 60]]], dtype=torch.uint8)
    assert Normalisation((1, 2, 3), (1, 10, 100))(pixels).tolist() == [[[9, 180, 2700], [39, 480, 5700]]]
    assert Normalisation((1, 2, 3), (1, 10, 100), rgb=True)(pixels).tolist() == [[[2700, 180, 9], [5700, 480, 39]]]
    assert Normalisation((1, 2, 3), rgb=True)(pixels.float()).tolist() == [[[27, 18, 9], [57, 48, 39]]]
    assert pixels.tolist() == [[[10, 20, 30], [40, 50, 60]]]


def test_a_detector_without_landmarks_and_with_one_class() -> None:
    detector = OneBox()
    raw = detector(torch.zeros(2, 3, 9, 8))
    assert detector.scores(raw.logits).shape == (2, 2)
    assert detector.scores(raw.logits)[0, 0].item() == pytest.approx(1 / (1 + 2.718281828**-2))
    boxes, landmarks = detector.decode(raw, detector.anchors(9, 8))
    assert landmarks is None
    assert boxes[1].tolist() == [[-1, -1, 9, 9], [-1, 7, 9, 17]]


def test_with_one_classifier_there_is_nothing_to_choose() -> None:
    with pytest.raises(ValueError, match="decides is main, but OneBox has one classifier only: leave it out"):
        OneBox().decide_by("main")


def test_two_classes_are_a_softmax_with_the_face_last() -> None:
    logits = torch.randn(2, 5, 2)
    assert torch.allclose(OneBox().scores(logits), logits.softmax(-1)[..., 1])
    assert OneBox().scores(logits.half()).dtype == torch.float32
