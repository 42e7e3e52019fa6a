import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.boxes.suppression import _plain_nms, nms, top_candidates


def slow_nms(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float, one: float) -> list[int]:
    """The definition, box by box, in float64."""
    x1, y1, x2, y2 = boxes.astype(np.float64).T
    areas = (x2 - x1 + one) * (y2 - y1 + one)
    order = list(np.argsort(-scores.astype(np.float64), kind="stable"))
    kept = []
    while order:
        best, rest = order[0], np.array(order[1:], int)
        kept.append(int(best))
        w = np.maximum(0, np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + one)
        h = np.maximum(0, np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + one)
        order = list(rest[w * h / (areas[best] + areas[rest] - w * h) <= iou])
    return kept


@pytest.mark.parametrize("pixel_inclusive", [True, False])
@pytest.mark.parametrize("rounded", [True, False])
def test_equals_the_slow_definition(pixel_inclusive: bool, rounded: bool) -> None:
    rng = np.random.default_rng(5)
    corner, side = rng.uniform(0, 200, (1500, 2)), rng.uniform(2, 40, (1500, 2))
    boxes = np.concatenate([corner, corner + side], 1).astype(np.float32)
    boxes = boxes.round() if rounded else boxes  # whole numbers give overlaps of exactly 0.4
    scores = rng.random(1500).round(2).astype(np.float32)  # and ties
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.4, pixel_inclusive=pixel_inclusive)
    assert kept.tolist() == slow_nms(boxes, scores, 0.4, float(pixel_inclusive))


def test_an_overlap_equal_to_the_threshold_survives() -> None:
    # Inclusive pixels: 7 x 1 and 7 x 1, four shared, ten together.
    boxes = torch.tensor([[0.0, 0, 6, 0], [3, 0, 9, 0]])
    scores = torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.4).tolist() == [0, 1]
    assert nms(boxes, scores, 0.399).tolist() == [0]


def test_a_new_process_suppresses_and_samples_without_torchs_compiler() -> None:
    code = """if True:
        import sys, torch
        from pipeline.boxes.suppression import nms
        boxes = torch.tensor([[0.0, 0, 6, 0], [3, 0, 9, 0], [20, 0, 26, 0]])
        print(nms(boxes, torch.tensor([0.7, 0.8, 0.9]), 0.399).tolist())
        from pipeline.models.rankers.roi_align import roi_align
        maps = torch.ones(1, 1, 8, 8, requires_grad=True)
        roi_align(maps, torch.tensor([[0, 2, 2, 4, 4.0]]), 2, 1.0).sum().backward()
        print(maps.grad.sum().item())
        print([name for name in ("torchvision", "torch._dynamo") if name in sys.modules])
    """
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == ["[2, 1]", "4.0", "[]"]


def test_the_convention_matters() -> None:
    boxes = torch.tensor([[0.0, 0, 8, 8], [0, 4, 8, 12]])
    scores = torch.tensor([0.1, 0.2])
    assert nms(boxes, scores, 0.35, pixel_inclusive=False).tolist() == [1, 0]
    assert nms(boxes, scores, 0.35, pixel_inclusive=True).tolist() == [1]


@pytest.mark.parametrize(("kind", "step"), [(torch.float32, 1e-6), (torch.float64, 1e-9)])
def test_scores_that_differ_by_next_to_nothing_are_ordered(kind: torch.dtype, step: float) -> None:
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 10], [0, 0, 10, 9]])
    scores = torch.tensor([0.5, 0.5 + step, 0.5 + step], dtype=kind)
    assert nms(boxes, scores, 0.4).tolist() == [1]


def test_nothing_in_nothing_out() -> None:
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.4).tolist() == []


@pytest.mark.wider
def test_published_detections_are_a_fixed_point(shared: Path) -> None:
    for file in sorted((shared / "reference/retinaface/detections").glob("*.npz")):
        found = np.load(file)
        kept = nms(torch.from_numpy(found["boxes"]), torch.from_numpy(found["scores"]), 0.4)
        assert kept.tolist() == list(range(len(found["boxes"]))), file.name


@pytest.mark.parametrize("k", [0, 1, 50, 999, 1000, 5000])
def test_top_candidates_equals_a_stable_sort(k: int) -> None:
    scores = torch.rand(1000, generator=torch.Generator().manual_seed(1)).mul(40).round().div(40)
    expected = sorted(range(1000), key=lambda i: (-scores[i].item(), i))[:k]
    assert top_candidates(scores, k).tolist() == expected


def test_top_candidates_of_equal_scores_are_the_first() -> None:
    assert top_candidates(torch.ones(500), 7).tolist() == list(range(7))
    assert top_candidates(torch.zeros(0), 7).tolist() == []


def test_top_candidates_refuses_a_negative_number() -> None:
    with pytest.raises(ValueError, match="-1"):
        top_candidates(torch.ones(3), -1)


def test_inclusive_drops_an_overlap_equal_to_the_threshold() -> None:
    boxes = torch.tensor([[0.0, 0, 6, 0], [3, 0, 9, 0]])
    scores = torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.4, iou_inclusive=True).tolist() == [0]
    assert nms(boxes, scores, 0.4000001, iou_inclusive=True).tolist() == [0, 1]


@pytest.mark.wider
def test_mogface_vectors(shared: Path) -> None:
    vectors = np.load(shared / "reference/mogface/boxes.npz")
    for case in range(3):
        dets = torch.from_numpy(vectors[f"nms{case}_dets"])
        kept = nms(dets[:, :4], dets[:, 4], float(vectors[f"nms{case}_thresh"]), iou_inclusive=True)
        assert sorted(kept.tolist()) == vectors[f"nms{case}_keep"].tolist()


@pytest.mark.parametrize("k", [0, 1, 3, 4, 9])
def test_indices_are_whole_numbers_that_choose(k: int) -> None:
    scores = torch.tensor([0.5, 0.9, 0.5, 0.1])
    found = top_candidates(scores, k)
    assert found.dtype == torch.int64
    assert found.tolist() == [1, 0, 2, 3][:k]
    assert scores[found].shape == (min(k, 4),)


def test_the_last_of_equal_scores_that_fit_is_the_first_by_index() -> None:
    assert top_candidates(torch.tensor([0.2, 0.7, 0.2, 0.7, 0.2]), 3).tolist() == [1, 3, 0]
    assert top_candidates(torch.tensor([-1.0, -2.0, -1.0]), 2).tolist() == [0, 2]


def test_scores_that_are_equal_in_float32_only_are_ordered() -> None:
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 9]])
    scores = torch.tensor([0.5, 0.5 + 1e-12], dtype=torch.float64)
    assert nms(boxes, scores, 0.4).tolist() == [1]


@pytest.mark.parametrize("pixel_inclusive", [True, False])
@pytest.mark.parametrize("iou_inclusive", [True, False])
def test_boxes_are_as_they_were_and_indices_as_the_arguments(pixel_inclusive: bool, iou_inclusive: bool) -> None:
    boxes = torch.tensor([[0.0, 0, 10, 4], [0, 0, 10, 4.5], [50, 0, 60, 4]])
    before = boxes.clone()
    kept = nms(boxes, torch.tensor([0.1, 0.3, 0.2]), 0.5, pixel_inclusive=pixel_inclusive, iou_inclusive=iou_inclusive)
    assert kept.dtype == torch.int64
    assert kept.tolist() == [1, 2]
    assert torch.equal(boxes, before)


def test_the_defaults_are_inclusive_pixels_and_an_equal_overlap_survives() -> None:
    # 10 x 1 and 6 x 1 pixels, 6 shared, 10 together; continuous sides would be 9 and 5 and of no height.
    boxes = torch.tensor([[0.0, 0, 9, 0], [0, 0, 5, 0]])
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.6).tolist() == [0, 1]
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.59).tolist() == [0]


def test_the_kernel_is_that_of_torchvision() -> None:
    from torchvision.ops import nms as of_package

    generator = torch.Generator().manual_seed(3)
    corners = torch.randint(0, 300, (2000, 2), generator=generator).double()
    boxes = torch.cat([corners, corners + torch.randint(1, 40, (2000, 2), generator=generator)], 1)
    scores = torch.randint(0, 50, (2000,), generator=generator).double()  # many are equal
    for iou in (0.0, 0.4, 1.0):
        assert torch.equal(_plain_nms()(boxes, scores, iou), of_package(boxes, scores, iou))
