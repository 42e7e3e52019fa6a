"""A new detector is one file and one line: this one, registered here, is trained, dumped, exported and converted."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector, MemoryNeed, Normalisation, Raw
from pipeline.models.detectors.spec import DetectorSpec
from pipeline.models.heads import DenseHeads
from pipeline.models.weights import open_detector
from stages.cli.export import export
from stages.cli.weights import convert, inspect
from tests.stages.world import World

NAME = "tiny"
DRAWN = {"kind": "synthetic", "images": 6, "width": 96, "height": 96}
TRAINING = {"steps": 30, "batch": 4, "images": 6, "crop": 64, "warmup": 1, "learning_rate": 0.01}


class Tiny(Detector):
    """Three convolutions, one level, two square anchors per cell."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.grid, self.coder = AnchorGrid((8,), ((16.0, 32.0),)), BoxCoder()
        self.normalisation = Normalisation((128.0, 128.0, 128.0), 1 / 64)
        self.receptive_halo, self.memory = 32, MemoryNeed(2**20, 64)
        layers = [nn.Conv2d(before, after, 3, 2, 1) for before, after in pairwise((3, width, 2 * width, 2 * width))]
        self.body = nn.ModuleList(layers)
        self.heads = DenseHeads(2 * width, [2], (4, 1), kernel=3)

    def forward(self, images: Tensor) -> Raw:
        for layer in self.body:
            images = layer(images).relu()
        return Raw(*self.heads([images]))


SPEC = DetectorSpec(
    "three convolutions",
    Tiny,
    assigner="atss",
    objective="sigmoid",
    published_names=(
        (r"layer(\d)\.", "body.{0-1}."),
        (r"box\.", "heads.kinds.0.levels.0."),
        (r"face\.", "heads.kinds.1.levels.0."),
    ),
)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setitem(DETECTORS, NAME, SPEC)
    return monkeypatch


@pytest.fixture
def trained(registered: pytest.MonkeyPatch, tmp_path: Path) -> World:
    world = World(tmp_path)
    world.node("drawings", "index", dataset={**DRAWN, "split": "train"})
    world.node("others", "index", dataset={**DRAWN, "seed": 1})
    wired: dict[str, Any] = {"detector": NAME, "model_args": {"width": 12}, "recipe": TRAINING}
    world.node("detector", "train_detector", inputs={"samples": "drawings"}, **wired)
    fed = {"samples": "others", "checkpoint": "detector"}
    world.node("boxes", "predict", inputs=fed, canvas="original", max_candidates=50)
    world.done()
    return world


def test_it_trains_by_its_own_assigner_and_loss_and_is_dumped(trained: World) -> None:
    (row,) = trained.rows("detector")
    assert row["detector"] == NAME
    assert np.mean(row["loss"][-5:]) < 0.9 * np.mean(row["loss"][:5])
    found = trained.by_id("boxes")
    assert len(found) == 6
    for each in found.values():
        assert each.error is None and len(each.boxes) == 50
        assert np.isfinite(each.boxes).all() and np.ptp(each.scores) > 0


def test_it_is_exported(trained: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    export(Path(trained.store.path("detector.safetensors")), tmp_path / "tiny.onnx")
    assert "images -> boxes, logits" in capsys.readouterr().out


def test_its_published_weights_are_known_by_their_hash_and_converted(
    registered: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    tiny, file, out = SPEC.build(), tmp_path / "published.pth", tmp_path / "ours.safetensors"
    theirs = {"body.0": "layer1", "body.1": "layer2", "body.2": "layer3"}
    theirs |= {"heads.kinds.0.levels.0": "box", "heads.kinds.1.levels.0": "face"}
    published = {}
    for name, value in tiny.state_dict().items():
        part, _, kind = name.rpartition(".")
        published[f"{theirs[part]}.{kind}"] = value
    torch.save({"state_dict": published}, file)
    with pytest.raises(ValueError, match=f"is unknown: say which detector it belongs to, one of .*{NAME}"):
        convert(file, out)
    known = replace(SPEC, content_hashes=frozenset({Checkpoint(file).content_hash}))
    registered.setitem(DETECTORS, NAME, known)
    inspect(file)
    convert(file, out)
    assert "10 of 10 matched" in capsys.readouterr().out
    name, opened = open_detector(out)
    assert name == NAME and isinstance(opened, Tiny)
    for key, value in tiny.state_dict().items():
        assert torch.equal(opened.state_dict()[key], value), key
