"""A node's weights opened for its device, as the stages that detect do it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.canvas import Canvas
from pipeline.engine.stage import Resources, StageContext
from pipeline.inference.open_predictor import open_predictor
from pipeline.inference.predictor import Predictor
from pipeline.models.weights import open_detector
from tests.inference.networks import lively_file, noise


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> StageContext:
    """A node on a CPU with a file of weights that name their detector."""
    file = lively_file(tmp_path_factory.mktemp("weights"))
    return StageContext("boxes", str(file), Resources(), {})


def test_it_is_the_nodes_detector_with_the_nodes_numbers(ctx: StageContext) -> None:
    image, detector = noise(96, 64, 0), open_detector(Path(str(ctx.path)))[1]
    for given, meant in (
        ({}, {}),
        ({"max_candidates": 7}, {"max_candidates": 7}),
        ({"precision": "bfloat16"}, {"dtype": torch.bfloat16}),
    ):
        found = open_predictor(ctx, **given).candidates(image, Canvas(128))
        expected = Predictor(detector, **meant).candidates(image, Canvas(128))
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_memory_is_planned_for_the_canvas_or_for_the_largest(ctx: StageContext) -> None:
    tiles = [open_predictor(ctx, memory_gb=1.04, long_edge=edge).tile for edge in (128, 1200)]
    assert tiles[0] is None and tiles[1] is not None
    with pytest.raises(ValueError, match="1065 MB per worker are too few for a 7680 x 7680 canvas"):
        open_predictor(ctx, memory_gb=1.04)


def test_what_does_not_fit_the_weights_is_named(ctx: StageContext) -> None:
    with pytest.raises(ValueError, match=r"untrained.safetensors: .*retinaface_mobilenet"):
        open_predictor(ctx, "mogface_baseline")
    with pytest.raises(ValueError, match="decides is main, but RetinaFace has one classifier only: leave it"):
        open_predictor(ctx, decides="main")
