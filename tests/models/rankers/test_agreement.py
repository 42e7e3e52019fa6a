from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from pipeline.boxes.agreement import FEATURES, LOGIT, Agreement
from pipeline.models.checkpoint import METADATA_KEY, Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.agreement import AgreementRanker, open_agreement, save_agreement
from pipeline.models.weights import open_ranker, save_bytes

SETTINGS = Agreement(score=0.1, candidate_score=0.03, iou=0.5, close_iou=0.8)
BOXES, SCORES = np.float32([[0, 0, 9, 9], [20, 20, 40, 45]]), np.float32([0.7, 0.4])


def trained(seed: int = 0, sets: int = 2) -> AgreementRanker:
    """A ranker whose residual is not 0."""
    torch.manual_seed(seed)
    ranker = AgreementRanker(SETTINGS, sets, width=8)
    for weight in ranker.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    ranker.standardise(torch.rand(50, len(FEATURES)))
    return ranker.eval()


def test_it_begins_with_the_order_and_the_scores_it_is_given() -> None:
    ranker = AgreementRanker(SETTINGS, 1)
    features = torch.randn(20, len(FEATURES))
    assert torch.equal(ranker(features), features[:, LOGIT])
    np.testing.assert_allclose(ranker.scores(BOXES, SCORES, [(BOXES, SCORES)]), SCORES, rtol=1e-6)


def test_features_are_standardised_by_those_of_the_training() -> None:
    ranker = trained()
    features = torch.rand(30, len(FEATURES))
    features[:, 3] = 2.0  # a feature that never varies
    ranker.standardise(features)
    seen = (features - ranker.mean) / ranker.deviation
    assert torch.allclose(seen.mean(dim=0), torch.zeros(len(FEATURES)), atol=1e-4)
    others = [place for place in range(len(FEATURES)) if place != 3]
    assert torch.allclose(seen.std(dim=0)[others], torch.ones(len(others)), atol=0.02)
    assert torch.isfinite(ranker(features)).all()


def test_a_checkpoint_gives_the_same_scores_and_the_same_bytes(tmp_path: Path) -> None:
    ranker = trained()
    data = save_agreement(ranker, {"steps": 3})
    assert data == save_agreement(ranker, {"steps": 3})
    (tmp_path / "ranker.safetensors").write_bytes(data)
    for source in (data, tmp_path / "ranker.safetensors", Checkpoint(data)):
        opened = open_agreement(source)
        assert (opened.agreement, opened.sets, opened.training) == (SETTINGS, 2, False)
        sets = [(BOXES, SCORES)] * 2
        np.testing.assert_array_equal(opened.scores(BOXES, SCORES, sets), ranker.scores(BOXES, SCORES, sets))
    assert Checkpoint(data).config["recipe"] == {"steps": 3}
    assert save_agreement(open_agreement(data), {"steps": 3}) == data


def test_candidates_of_another_number_of_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="trained on candidates of 2 canvases or detectors, found 3"):
        trained().scores(BOXES, SCORES, [(BOXES, SCORES)] * 3)


def test_an_answer_that_is_no_number_is_refused() -> None:
    ranker = trained()
    with torch.no_grad():
        ranker.layers[0].weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinity: weights or input are damaged"):
        ranker.scores(BOXES, SCORES, [(BOXES, SCORES)] * 2)


def test_refined_scores_are_in_0_to_1_and_no_boxes_have_none() -> None:
    ranker = trained(1)
    refined = ranker.scores(BOXES, SCORES, [(BOXES, SCORES)] * 2)
    assert refined.dtype == np.float32 and ((refined >= 0) & (refined <= 1)).all()
    none = (BOXES[:0], SCORES[:0])
    assert ranker.scores(*none, [none, none]).shape == (0,)


@pytest.mark.parametrize("fields", [{"sets": 0}, {"sets": 1, "width": 0}])
def test_too_few_sets_or_channels_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected 1 or more of each"):
        AgreementRanker(SETTINGS, **fields)


def test_checkpoints_of_other_networks_are_refused_by_name() -> None:
    detector = save_bytes("retinaface_mobilenet", DETECTORS["retinaface_mobilenet"].build())
    ranker = save_bytes("roi_mobilenet", RANKERS["roi_mobilenet"].build(num_candidates=10))
    for data, held in ((detector, "holds the detector retinaface_mobilenet"), (ranker, "holds the ranker roi_mobi")):
        with pytest.raises(ValueError, match=f"{held}.*: expected one of stage train_agreement"):
            open_agreement(data)
    mine = save_agreement(trained(), {})
    with pytest.raises(ValueError, match="holds a ranker that reads agreement: expected one of a ranker"):
        open_ranker(mine)
    with pytest.raises(ValueError, match="holds a ranker that reads agreement, not a detector"):
        Checkpoint(mine).detector("retinaface_mobilenet")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"agreement": {"score": 0.1}}, "settings are score, expected candidate_score, close_iou, iou, score"),
        ({"agreement": {}}, "settings are none"),
        ({"agreement": "yes"}, "holds a ranker that reads agreement: expected one of stage train_agreement"),
        ({"model_args": {"sets": 2, "width": 9}}, "checkpoint does not fit AgreementRanker"),
        ({"model_args": {"sets": 2, "depth": 9}}, "no network with the switches"),
    ],
)
def test_a_checkpoint_with_other_settings_is_refused(change: dict[str, object], words: str) -> None:
    data = save_agreement(trained(), {})
    config = {**Checkpoint(data).config, **change}
    with pytest.raises(ValueError, match=words):
        open_agreement(save(load(data), metadata={METADATA_KEY: json.dumps(config)}))
