from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pipeline.models.rankers.roi_features import RoIFeatures

STRIDES = (8, 16, 32)


def plain_features(cells: int, margin: float) -> RoIFeatures:
    """A features whose vector is the sampled features themselves, of one channel."""
    features = RoIFeatures(1, cells * cells, STRIDES, thin=1, cells=cells, margin=margin)
    torch.nn.init.ones_(features.thinner.weight)
    torch.nn.init.zeros_(features.thinner.bias)
    torch.nn.init.eye_(features.vector.weight)
    torch.nn.init.zeros_(features.vector.bias)
    features.norm = torch.nn.Identity()
    return features


def ramps(batch: int = 1) -> list[Tensor]:
    """Maps whose value is the x, in pixels, of the centre of a cell; of another level negative or a thousand more."""
    maps = []
    for stride, factor, extra in zip(STRIDES, (1, -1, 1), (0, 0, 1000), strict=True):
        x = (torch.arange(1024 // stride) + 0.5) * stride * factor + extra
        maps.append(x.expand(batch, 1, 768 // stride, -1).contiguous())
    return maps


def test_a_box_is_seen_with_its_surroundings_at_its_place() -> None:
    boxes = torch.tensor([[100, 200, 140, 240.0]])
    seen = plain_features(5, 0.25)(ramps(), torch.zeros(1, dtype=torch.int64), boxes)
    # From 90 to 150 in five cells of 12 pixels, each sampled in its middle.
    torch.testing.assert_close(seen, torch.tensor([[96, 108, 120, 132, 144.0] * 5]))


@pytest.mark.parametrize(("side", "level"), [(10, 0), (45, 0), (46, 1), (180, 1), (182, 2), (600, 2)])
def test_the_level_suits_the_size(side: float, level: int) -> None:
    boxes = torch.tensor([[300, 300, 300 + side, 300 + side]]).float().clamp(max=960)
    boxes[:, 1:4:2] = torch.tensor([[10.0, 10 + side]])
    seen = plain_features(1, 0.0)(ramps(), torch.zeros(1, dtype=torch.int64), boxes)
    middle = float((boxes[0, 0] + boxes[0, 2]) / 2)
    assert float(seen.detach()) == pytest.approx([middle, -middle, middle + 1000][level], abs=1e-2)


def test_answers_are_in_the_order_of_the_boxes_and_of_their_images() -> None:
    torch.manual_seed(0)
    features = RoIFeatures(2, 6, STRIDES, thin=3)
    levels = [torch.randn(2, 2, 256 // stride, 256 // stride) for stride in STRIDES]
    corner = torch.rand(40, 2) * 100
    boxes = torch.cat([corner, corner + 4 * 60 ** torch.rand(40, 1)], dim=1)
    images = torch.arange(40) % 2
    together = features(levels, images, boxes)
    alone = torch.cat([features(levels, images[i : i + 1], boxes[i : i + 1]) for i in range(40)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_boxes_of_no_size_and_outside_are_seen_too() -> None:
    features = RoIFeatures(1, 4, STRIDES)
    boxes = torch.tensor([[5, 5, 5, 5], [-900, -900, -800, -800], [9, 9, 3, 3.0]])
    assert torch.isfinite(features(ramps(), torch.zeros(3, dtype=torch.int64), boxes)).all()
    assert features(ramps(), torch.zeros(0, dtype=torch.int64), boxes[:0]).shape == (0, 4)


def test_three_levels_are_needed() -> None:
    with pytest.raises(ValueError, match=r"expected 3 levels, got strides \[4, 8, 16, 32\]"):
        RoIFeatures(1, 4, (4, 8, 16, 32))


def test_maps_that_learn_nothing_are_thinned_after_sampling_with_the_same_answer_and_gradient() -> None:
    torch.manual_seed(0)
    features = RoIFeatures(8, 16, STRIDES, thin=4)
    maps = [torch.randn(2, 8, 256 // stride, 192 // stride) for stride in STRIDES]
    corners = torch.rand(60, 2) * torch.tensor([230.0, 300.0]) - 30  # some reach out, some lie outside
    boxes = torch.cat([corners, corners + 4 + 200 * torch.rand(60, 2) ** 3], dim=1)
    images = torch.randint(2, (60,))
    found = []
    for learning in (False, True):
        features.zero_grad()
        answer = features([each.clone().requires_grad_(learning) for each in maps], images, boxes)
        (answer * torch.linspace(-1, 1, answer.numel()).reshape(answer.shape)).sum().backward()
        found.append([answer.detach(), *(weight.grad.clone() for weight in features.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("width", "height", "level"), [(20, 80, 0), (80, 20, 0), (100, 30, 1), (30, 100, 1), (400, 20, 1), (400, 100, 2)]
)
def test_the_size_is_that_of_the_area(width: float, height: float, level: int) -> None:
    boxes = torch.tensor([[300.0, 200, 300 + width, 200 + height]])
    seen = plain_features(1, 0.0)(ramps(), torch.zeros(1, dtype=torch.int64), boxes)
    middle = 300 + width / 2
    assert float(seen.detach()) == pytest.approx([middle, -middle, middle + 1000][level], abs=1e-2)
