"""Cumulative shares of a set: its faces as labelled and as sampled, and the anchors that a matching gives them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.records import Sample
from pipeline.models.detectors import DETECTORS
from pipeline.training.analysis.cumulative_shares import CumulativeShares
from pipeline.training.analysis.face_scales import sampled_scales
from pipeline.training.analysis.level_ranges import sweep_levels
from pipeline.training.analysis.matched_anchors import SCALES, shares_below
from pipeline.training.assigners import ASSIGNERS
from tests.training.augment.policies import policy

SIDES = (11.0, 19.0, 30.0, 60.0)
SAMPLES = [
    Sample(f"{side:g}", "a.png", "", 160, 160, np.array([[40, 40, 40 + side, 40 + side]], np.float32)) for side in SIDES
]


def test_faces_as_labelled_and_as_training_sees_them() -> None:
    chosen = policy("das", side=128)
    found = CumulativeShares.of(SAMPLES, chosen, "mogface_baseline", seed=1, epochs=5)
    assert found.of_labelled().tolist() == [np.mean([side < scale for side in SIDES]) for scale in SCALES]
    scales = sampled_scales(SAMPLES, chosen, 1, 5).scales
    assert found.of_augmented().tolist() == shares_below(scales).tolist() != found.of_labelled().tolist()


@pytest.mark.parametrize("name", ["mogface", "s3fd"])
def test_anchors_are_those_of_the_detector_in_a_training_image_of_that_size(name: str) -> None:
    found = CumulativeShares.of(SAMPLES, policy("das", side=128), "mogface_baseline", seed=1)
    network, assigner = DETECTORS["mogface_baseline"].build(), ASSIGNERS[name].build()
    sweep = sweep_levels(network.grid, network.coder, assigner, 128)
    shares = found.of_anchors(assigner)
    assert shares.tolist() == shares_below(found.augmented, sweep).tolist() != found.of_augmented().tolist()
    assert shares.tolist() == sorted(shares) and shares[-1] == 1
