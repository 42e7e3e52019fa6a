from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import pipeline
from pipeline.boxes.suppression import nms
from pipeline.data.images import encode_png
from pipeline.inference.rerank import Reranker
from pipeline.models.weights import open_ranker
from tests.stages.world import drawn_image


def test_candidates_are_ranked_then_suppressed(weights: Path, ranker_weights: Path, photo: Path) -> None:
    candidates = pipeline.load(weights, device="cpu").candidates(photo)
    ranker = pipeline.load_ranker(ranker_weights, device="cpu")
    expected = Reranker(open_ranker(ranker_weights)[1])(drawn_image(4), candidates.scored)
    every = ranker.rerank(candidates, iou=None)
    np.testing.assert_array_equal(every.boxes, expected.boxes)
    np.testing.assert_array_equal(every.scores, expected.scores)
    assert (every.boxes != candidates.boxes).any(), "the order changed"
    kept = expected.take(nms(torch.from_numpy(expected.boxes), torch.from_numpy(expected.scores), 0.4).numpy())
    ranked = ranker.rerank(candidates)
    assert 0 < len(ranked) < len(every)
    np.testing.assert_array_equal(ranked.boxes, kept.boxes)
    assert ranked.image is candidates.image
    assert repr(ranker) == "FaceRanker(roi_mobilenet, cpu)"


def test_what_does_not_fit_is_refused(weights: Path, ranker_weights: Path, photo: Path) -> None:
    candidates = pipeline.load(weights, device="cpu").candidates(photo)
    ranker = pipeline.load_ranker(ranker_weights, device="cpu")
    with pytest.raises(ValueError, match="iou: expected a number in 0..1 or None, found -1"):
        ranker.rerank(candidates, iou=-1)
    photo.write_bytes(encode_png(drawn_image(4, 32, 32)))
    with pytest.raises(ValueError, match="photo.png: expected 96 x 64 pixels as detected, found 32 x 32"):
        ranker.rerank(candidates)
    with pytest.raises(ValueError, match="holds the detector retinaface_mobilenet: expected one of a ranker"):
        pipeline.load_ranker(weights)
