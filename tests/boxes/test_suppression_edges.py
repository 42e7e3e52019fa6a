"""Suppression where numbers are equal, few or nearly equal."""

from __future__ import annotations

import pytest
import torch

from pipeline.boxes.suppression import nms, top_candidates


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
