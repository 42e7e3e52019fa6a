"""The list of configs, and copies that run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine.config import load_config
from stages.graph import STAGES
from stages.packaged_configs import packaged_configs


def test_every_config_has_a_line(wider8k) -> None:
    answer = wider8k("configs")
    assert answer.code == 0
    *lines, last = answer.out.splitlines()
    names = [line.split()[0] for line in lines]
    assert sorted(names) == [file.stem for file in packaged_configs()]
    assert names[:3] == ["smoke", "folder", "own"]
    assert last == "run one: wider8k run -c smoke; edit one: wider8k configs copy own experiments"


@pytest.mark.parametrize("name", ["smoke", "crface_small.yaml"])
def test_a_copy_is_whole(wider8k, tmp_path: Path, name: str) -> None:
    answer = wider8k("configs", "copy", name, tmp_path / "mine")
    assert answer.code == 0
    *files, run = answer.out.splitlines()
    assert all(Path(file).is_file() for file in files)
    assert run == f"run it: wider8k run -c {files[0]}"
    assert load_config(Path(files[0]), STAGES).graph.nodes
    assert wider8k("configs", "copy", name, tmp_path / "mine").code == 0, "the same again is no mistake"


def test_an_edited_copy_is_not_replaced(wider8k, tmp_path: Path) -> None:
    (tmp_path / "smoke.yaml").write_text("mine")
    answer = wider8k("configs", "copy", "smoke", tmp_path)
    assert answer.code == 2
    assert f"{tmp_path / 'smoke.yaml'}: there is another file of this name: give another folder" in answer.err
    assert (tmp_path / "smoke.yaml").read_text() == "mine"


def test_a_name_that_is_none(wider8k) -> None:
    answer = wider8k("configs", "copy", "smokes")
    assert answer.code == 2
    assert "there is no config 'smokes' (did you mean 'smoke'?)" in answer.err


def test_a_config_is_run_by_its_name(wider8k, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = wider8k("plan", "-c", "smoke")
    assert answer.code == 0
    assert "detector" in answer.out
    missing = wider8k("plan", "-c", "smokes")
    assert missing.code == 2
    assert "smokes: no such config file (did you mean 'smoke'?); wider8k configs lists those" in missing.err
