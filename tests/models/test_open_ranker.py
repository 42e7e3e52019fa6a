from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.rankers import RANKERS
from pipeline.models.weights import open_detector, open_ranker, save_bytes

SWITCHES = {"num_candidates": 6, "kernel": [5, 3], "sampling": "average"}


def saved() -> tuple[torch.nn.Module, bytes]:
    torch.manual_seed(2)
    ranker = RANKERS["crface_mobilenet"].build(**SWITCHES).eval()
    torch.nn.init.normal_(ranker.confidence[0].answer.weight)
    return ranker, save_bytes("crface_mobilenet", ranker, {"model_args": SWITCHES})


def test_a_ranker_comes_back_as_it_was_built_and_trained(tmp_path: Path) -> None:
    ranker, data = saved()
    assert data == saved()[1]
    (tmp_path / "ranker").write_bytes(data)
    inputs = torch.randn(1, 3, 40, 40), torch.rand(1, 6, 5), torch.tensor([6])
    for source in (data, tmp_path / "ranker"):
        name, opened = open_ranker(source)
        assert name == "crface_mobilenet"
        assert not opened.training
        assert opened.sampling == "average"
        assert torch.equal(opened(*inputs), ranker(*inputs))
    assert Checkpoint(data).config == {"ranker": "crface_mobilenet", "model_args": SWITCHES}


def test_a_ranker_is_no_detector_and_a_detector_no_ranker() -> None:
    ranker, detector = saved()[1], save_bytes("retinaface_mobilenet", DETECTORS["retinaface_mobilenet"].build())
    for requested in (None, "retinaface_mobilenet"):
        with pytest.raises(ValueError, match="checkpoint holds the ranker crface_mobilenet, not a detector"):
            open_detector(ranker, requested)
        with pytest.raises(ValueError, match="checkpoint holds the ranker crface_mobilenet, not a detector"):
            Checkpoint(ranker).detector(requested)
    with pytest.raises(ValueError, match="holds the detector retinaface_mobilenet: expected one of a ranker"):
        open_ranker(detector)


def test_other_files_and_other_rankers_are_refused() -> None:
    ranker = saved()[1]
    with pytest.raises(ValueError, match="does not say what it holds: expected one of a ranker"):
        open_ranker(b"unknown")
    with pytest.raises(ValueError, match="is crface_mobilenet .*, not roi_mobilenet: use ranker crface_mobilenet"):
        open_ranker(ranker, "roi_mobilenet")
    with pytest.raises(ValueError, match="no ranker is called 'x'"):
        Checkpoint(ranker).ranker("x")
    other = save_bytes("roi_mobilenet", RANKERS["crface_mobilenet"].build(num_candidates=6))
    with pytest.raises(ValueError, match="checkpoint does not fit RoIRanker"):
        open_ranker(other)


@pytest.mark.wider
def test_a_published_detector_is_named(shared: Path) -> None:
    with pytest.raises(ValueError, match="holds the detector retinaface_mobilenet: expected one of a ranker"):
        Checkpoint(shared / "data/weights/retinaface_mobilenet0.25_Final.pth").ranker()


def test_what_the_file_holds_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that began with ImageNet's weights says so in its switches; who opens its result needs none."""

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no network")

    data = save_bytes(
        "crface",
        RANKERS["crface"].build(num_candidates=6),
        {"model_args": {"num_candidates": 6, "pretrained": True}},
    )
    found = save_bytes("hambox_resnet50", DETECTORS["hambox_resnet50"].build(), {"model_args": {"pretrained": True}})
    monkeypatch.setattr("pipeline.models.backbones.resnet._imagenet", unreachable)
    with pytest.raises(OSError, match="no network"):
        RANKERS["crface"].build(pretrained=True)
    assert open_ranker(data)[1].num_candidates == 6
    assert open_detector(found)[0] == "hambox_resnet50"
