"""What the doctor finds here, and what it says where something is missing."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from pipeline.inference.engines import ENGINES

Usage = namedtuple("Usage", "total used free")


def checks(answer) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(answer.out)}


def test_here_everything_needed_is_there(wider8k, tmp_path: Path) -> None:
    answer = wider8k("doctor", "--no-ray", "--json", "--store", tmp_path / "not" / "yet")
    assert answer.code == 0
    found = checks(answer)
    assert torch.__version__.startswith(found["torch"]["found"])
    assert found["store"]["found"] == f"{tmp_path} can be written"
    assert {name.removeprefix("engine ") for name in found if name.startswith("engine ")} == set(ENGINES)
    assert not (tmp_path / "not").exists()
    lines = wider8k("doctor", "--no-ray").out.splitlines()
    assert lines[-1] == "everything needed is here"
    assert all(line.startswith(("ok  ", "--  ", "    ")) for line in lines[:-1])


def test_a_store_that_cannot_be_written_and_a_full_disk(
    wider8k, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    answer = wider8k("doctor", "--no-ray", "--json", "--store", tmp_path / "file" / "runs")
    assert answer.code == 1
    assert checks(answer)["store"] == {
        "name": "store",
        "state": "missing",
        "found": f"{tmp_path / 'file'} is no folder",
        "fix": "choose another: --set store=/a/folder/of/yours",
    }
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(2**40, 2**40, 2**20))
    answer = wider8k("doctor", "--no-ray", "--json", "--store", tmp_path)
    assert answer.code == 1
    assert checks(answer)["disk"]["state"] == "missing"
    assert checks(answer)["shared memory"]["state"] == "optional"
    assert wider8k("doctor", "--no-ray").out.splitlines()[-1].startswith("1 of ")


@pytest.mark.ray
@pytest.mark.slow
def test_ray_is_started_and_ended(wider8k) -> None:
    answer = wider8k("doctor", "--json")
    assert answer.code == 0
    assert checks(answer)["Ray"]["found"].startswith("a cluster of this machine starts: 1 machine, ")
