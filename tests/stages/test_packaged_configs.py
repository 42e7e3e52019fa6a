"""Configs by name, their summaries, and the files that a copy needs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.images import encode_png
from stages.packaged_configs import CONFIGS, find_config, packaged_configs, summary, with_bases
from tests.wheel import installed

__all__ = ["installed"]


@pytest.mark.parametrize("typed", ["smoke", "smoke.yaml", "configs/smoke.yaml", "configs/smoke"])
def test_a_name_is_found_from_any_folder(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(Path(typed)) == CONFIGS / "smoke.yaml"


def test_a_file_that_is_there_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("smoke.yaml").write_text("nodes: {}")
    assert find_config(Path("smoke.yaml")) == Path("smoke.yaml")
    assert find_config(Path("smoke")) == CONFIGS / "smoke.yaml"


@pytest.mark.parametrize("typed", ["none", "papers/none.yaml", "README.md", "/smoke", "../smoke", "RESULTS"])
def test_what_is_no_config_stays_as_it_was_typed(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(Path(typed)) == Path(typed)


def test_every_config_says_in_a_sentence_what_it_is_for() -> None:
    for file in packaged_configs():
        assert 20 < len(summary(file)) < 260, file.name
        assert summary(file)[-1] in ".?!", file.name


def test_a_copy_has_all_that_the_config_is_based_on() -> None:
    assert next(with_bases(CONFIGS / "smoke.yaml")) == Path("smoke.yaml")
    for file in packaged_configs():
        assert all((CONFIGS / each).is_file() for each in with_bases(file))
    assert [str(each) for each in with_bases(CONFIGS / "crface_small.yaml")] == [
        "crface_small.yaml",
        "bases/machines.yaml",
    ]


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder(tmp_path: Path, installed: Mapping[str, str]) -> None:
    """Run where nothing else of this project is; tests/test_five_minutes.py types what the pages of docs/ say."""

    def wider8k(*words: str) -> str:
        said = subprocess.run(["wider8k", *words], cwd=tmp_path, env=installed, capture_output=True, text=True)
        assert said.returncode == 0, said.stdout + said.stderr
        return said.stdout

    assert "smoke " in wider8k("configs")
    assert "detector " in wider8k("plan", "-c", "smoke")
    assert "mogface-table-3" in wider8k("reproduce", "--list")
    assert "everything needed is here" in wider8k("doctor", "--no-ray")
    wider8k("configs", "copy", "smoke", "mine")
    assert "detector " in wider8k("plan", "-c", "mine/smoke.yaml")


@pytest.mark.faults
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_the_smoke_run_of_the_wheel_ends_and_its_detector_finds_faces(
    tmp_path: Path, installed: Mapping[str, str]
) -> None:
    """Three minutes on two cores: the whole run, a second one with nothing to do, then `detect` with both networks."""
    pixels = Synthetic(images=1, width=320, height=240, seed=9).draw(0)[0]
    (tmp_path / "photo.png").write_bytes(encode_png(pixels))

    def wider8k(*words: str) -> str:
        said = subprocess.run(["wider8k", *words], cwd=tmp_path, env=installed, capture_output=True, text=True)
        assert said.returncode == 0, said.stdout + said.stderr
        return said.stdout

    assert "done: 14 computed, 0 reused" in wider8k("run", "-c", "smoke")
    assert "done: 0 computed, 14 reused" in wider8k("run", "-c", "smoke")
    networks = ("--weights", "runs/smoke/detector.safetensors", "--ranker", "runs/smoke/ranker.safetensors")
    assert "photo.png: " in wider8k("detect", "photo.png", *networks, "--out", "found", "--json", "found.json")
    (found,) = json.loads((tmp_path / "found.json").read_text())
    assert found["boxes"] and (tmp_path / "found/photo.jpg").is_file()
    assert "ap_rank against ap on 100 images" in wider8k("compare", "runs/smoke/ap", "runs/smoke/ap_rank")
