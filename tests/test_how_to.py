"""The pages on writing a detector, an assigner, a stage and a dataset: their files are written, registered by their line, and run."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.data.datasets import DATASETS
from pipeline.data.images import encode_jpeg
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.spec import DetectorSpec
from pipeline.models.lazy import Lazy
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.spec import AssignerSpec
from stages.cli.main import main
from stages.graph import STAGES
from tests.contracts import test_assigners

DOCS = Path(__file__).resolve().parents[1] / "docs"
REGISTRIES = {"ASSIGNERS": ASSIGNERS, "DATASETS": DATASETS, "DETECTORS": DETECTORS, "STAGES": STAGES}


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def follow(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes, registers and runs what a page shows, in a folder; returns its module."""
    file, entry, *_ = blocks(page, "python")
    path = file.splitlines()[0].removeprefix("# ")
    name = path.removesuffix(".py").replace("/", ".")
    (folder / "module.py").write_text(file)
    spec = importlib.util.spec_from_file_location(name, folder / "module.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    first, line = entry.split("\n", 1)
    registry = REGISTRIES[first.removeprefix("# one entry of ")]
    known = {**vars(module), "AssignerSpec": AssignerSpec, "DetectorSpec": DetectorSpec, "Lazy": Lazy}
    for key, value in eval(f"{{{textwrap.dedent(line)}}}", known).items():
        monkeypatch.setitem(registry, key, value)
    (config,) = blocks(page, "yaml")
    (folder / config.splitlines()[0].removeprefix("# ")).write_text(config)
    (command,) = blocks(page, "console")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    return module


def rows(folder: Path, node: str) -> list[dict[str, Any]]:
    files = sorted(folder.glob(f"runs/*/{node}/*/[!_]*.parquet"))
    assert files
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"photos/{name}.jpg").write_bytes(encode_jpeg(np.full((80, 90, 3), 90, np.uint8)))
    (tmp_path / "photos/a.txt").write_text("10 10 40 65\n5 5 9 9\n")
    follow("new-dataset.md", tmp_path, monkeypatch)
    first, second = rows(tmp_path, "faces")
    assert (first["image_id"], first["x2"], second["x2"]) == ("a.jpg", [40, 9], [])
    assert first["easy"] == [True, False]


def test_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow("new-stage.md", tmp_path, monkeypatch)
    found = rows(tmp_path, "sharp")
    assert len(found) == 6
    assert all(row["sharpness"] > 0 and row["error"] is None for row in found)


@pytest.mark.slow
def test_a_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = follow("new-detector.md", tmp_path, monkeypatch)
    assert [len(row["score"]) for row in rows(tmp_path, "boxes")] == [50] * 6
    assert (tmp_path / "runs/tiny/detector.safetensors").is_file()
    assert module.Tiny().receptive_halo == 32


@pytest.mark.slow
def test_an_assigner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = follow("new-assigner.md", tmp_path, monkeypatch)
    assert {row["name"] for row in rows(tmp_path, "scales") if row["part"] == "levels"} == {"best", "most", "any"}
    (trained,) = rows(tmp_path, "detector")
    assert len(trained["loss"]) == 4 and np.isfinite(trained["loss"]).all()
    loop, entry = blocks("new-assigner.md", "python")[2:]
    known = {**vars(test_assigners), "TopK": module.TopK}
    exec(loop, known)
    monkeypatch.setitem(test_assigners.SLOW, module.TopK, eval(f"{{{entry}}}", known)[module.TopK])
    monkeypatch.setitem(test_assigners.VARIANTS, "top_k", ASSIGNERS["top_k"].build())
    for promise in (
        test_assigners.test_agrees_with_slow_loops,
        test_assigners.test_duplicates_share_what_one_face_gets,
        test_assigners.test_padded_batch_equals_image_by_image,
        test_assigners.test_says_what_it_needs,
        test_assigners.test_parameters_are_values,
    ):
        promise("top_k")
