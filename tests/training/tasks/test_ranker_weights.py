"""First weights of a ranker depend on the seed, on a ranker's checkpoint, or on a detector's body."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.rankers.ranker import Ranker
from pipeline.models.weights import save_bytes
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.ranker import RankerTask

FEW = {"num_candidates": 9}


def initial_ranker(name: str, seed: int, model_args: dict, weights: bytes | None = None) -> Ranker:
    recipe = RankerRecipe(seed=seed, num_candidates=model_args["num_candidates"], pairs=2)
    return RankerTask(name, recipe, model_args, weights).build()


def detector(name: str = "retinaface_mobilenet", **model_args: object) -> bytes:
    torch.manual_seed(11)
    network = DETECTORS.find(name).build(**model_args)
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.running_mean)
    return save_bytes(name, network, {"model_args": model_args})


def test_weights_belong_to_the_seed_and_the_random_stream_is_untouched() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    a, b, c = (initial_ranker("crface_mobilenet", seed, FEW).state_dict() for seed in (5, 5, 6))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_a_rankers_checkpoint_is_taken_whole() -> None:
    stored = initial_ranker("roi_mobilenet", 5, FEW)
    started = initial_ranker("roi_mobilenet", 0, FEW, save_bytes("roi_mobilenet", stored, {"model_args": FEW}))
    assert all(torch.equal(value, started.state_dict()[name]) for name, value in stored.state_dict().items())


def test_another_rankers_checkpoint_is_refused() -> None:
    stored = save_bytes("crface_mobilenet", initial_ranker("crface_mobilenet", 0, FEW))
    with pytest.raises(ValueError, match="is crface_mobilenet .*not roi_mobilenet"):
        initial_ranker("roi_mobilenet", 0, FEW, stored)
    with pytest.raises(ValueError, match=r"does not fit CRFace: .*mismatched: confidence.0.answer.weight"):
        initial_ranker("crface_mobilenet", 0, {"num_candidates": 8}, stored)


@pytest.mark.parametrize(
    ("name", "taken", "left"),
    [
        ("crface_mobilenet", ("backbone.", "pyramid.merges."), "pyramid.laterals."),
        ("roi_mobilenet", ("backbone.", "pyramid.", "context."), "roi_features."),
    ],
)
def test_a_detectors_body_is_taken_over_and_the_rest_is_the_seeds(name: str, taken: tuple[str, ...], left: str) -> None:
    weights = detector()
    theirs, random = Checkpoint(weights).tensors, initial_ranker(name, 3, FEW).state_dict()
    started = initial_ranker(name, 3, FEW, weights).state_dict()
    of_theirs = [key for key in started if key.startswith(taken) and key in theirs]
    assert len(of_theirs) > 150
    assert all(torch.equal(started[key], theirs[key]) for key in of_theirs)
    # The lateral units of CRFace's pyramid take more channels; their norms would fit, but are of no use alone.
    own = [key for key in started if key not in of_theirs]
    assert any(key.startswith(left) for key in own)
    assert all(torch.equal(started[key], random[key]) for key in own)


@pytest.mark.parametrize(
    ("name", "model_args", "weights", "words"),
    [
        ("roi_mobilenet", {}, ("retinaface_mobilenet_mb1", {}), "backbone of retinaface_mobilenet_mb1 is not that of"),
        ("crface_mobilenet", {}, ("retinaface_mobilenet", {"slope": 0.2}), "is not that of CRFace"),
        ("roi_mobilenet", {"pixels": "imagenet"}, ("retinaface_mobilenet", {}), "trained on pixels of Normalisation"),
    ],
)
def test_bodies_with_equal_shapes_alone_are_refused(
    name: str, model_args: dict[str, object], weights: tuple[str, dict[str, object]], words: str
) -> None:
    """Same names and shapes, other activations or pixels: plausible, wrong features."""
    with pytest.raises(ValueError, match=words):
        initial_ranker(name, 0, {**FEW, **model_args}, detector(weights[0], **weights[1]))


def test_an_activation_of_ones_own_makes_another_body_fit() -> None:
    initial_ranker("roi_mobilenet", 0, {**FEW, "slope": 0.0}, detector("retinaface_mobilenet_mb1"))


def test_unknown_files_are_refused() -> None:
    with pytest.raises(ValueError, match="not a checkpoint that torch can load safely"):
        initial_ranker("roi_mobilenet", 0, FEW, b"unknown")


@pytest.mark.wider
def test_the_published_detector_lends_its_body(shared: Path) -> None:
    weights = (shared / "data/weights/retinaface_mobilenet0.25_Final.pth").read_bytes()
    started, published = initial_ranker("roi_mobilenet", 0, FEW, weights), Checkpoint(weights).tensors
    assert torch.equal(started.backbone.stages[0][0].conv.weight, published["body.stage1.0.0.weight"])
    assert torch.equal(started.context[2].far.conv.weight, published["ssh3.conv7x7_3.0.weight"])
