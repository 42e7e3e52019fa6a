"""Configs by name, their summaries, and the files that a copy needs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stages.packaged_configs import CONFIGS, find_config, packaged_configs, summary, with_bases

ROOT = Path(__file__).resolve().parents[2]


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
def test_the_wheel_works_in_an_empty_folder(tmp_path: Path) -> None:
    """Built, unpacked as an installer does, and run where nothing else of this project is."""
    built, site, empty = tmp_path / "built", tmp_path / "site", tmp_path / "empty"
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(built)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = built.glob("wider8k-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    empty.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}

    def wider8k(*words: str) -> str:
        words = (sys.executable, "-P", "-m", "stages.cli.main", *words)
        said = subprocess.run(words, cwd=empty, env=env | {"PYTHONPATH": str(site)}, capture_output=True, text=True)
        assert said.returncode == 0, said.stdout + said.stderr
        return said.stdout

    assert "smoke " in wider8k("configs")
    assert "detector " in wider8k("plan", "-c", "smoke")
    assert "mogface-table-3" in wider8k("reproduce", "--list")
    assert "everything needed is here" in wider8k("doctor", "--no-ray")
    wider8k("configs", "copy", "smoke", "mine")
    assert "detector " in wider8k("plan", "-c", "mine/smoke.yaml")
