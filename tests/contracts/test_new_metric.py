"""A new metric is one class and one line: this one, registered, is in the stage, its table, the command and its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.new_metric import NAME, compared

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process with the metric says, in the store of one without it."""
    folder = tmp_path_factory.mktemp("metric")
    assert compared(folder).done().computed == ["faces", "few", "many", "ap_few", "ap_many", "table"]
    command = [sys.executable, "-m", "tests.contracts.new_metric", str(folder)]
    given = os.environ | {"PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_it_is_in_every_row_of_the_stage(said: dict[str, Any]) -> None:
    crowded = sum(boxes >= 16 for boxes in said["boxes"])
    assert 0 < crowded < 5
    values = [(row["crowd"], row["crowded"], row["uncrowded"]) for row in said["rows"]["ap_many"]]
    assert values == [(16, crowded, 5 - crowded)] * 3
    assert [row["crowd"] for row in said["rows"]["ap_few"]] == [None] * 3


def test_it_is_in_the_table(said: dict[str, Any]) -> None:
    few, many = said["rows"]["table"]
    hard = said["rows"]["ap_many"][2]
    assert (few["crowd"], few["crowded_share"], many["crowd"]) == (None, None, 16)
    assert many["crowded_share"] == hard["crowded"] / 5
    head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said["table"].splitlines()]
    assert head == ["", "easy", "medium", "hard", "crowded images at 16"]
    assert [row[4] for row in rows] == ["–", f"{20 * hard['crowded']:.2f}"]


def test_what_was_evaluated_before_it_is_evaluated_again(said: dict[str, Any]) -> None:
    """Its parameter is part of the fingerprint: no row without its columns is taken for a current one."""
    assert said["computed"] == [["ap_few", "ap_many", "table"], ["ap_many", "table"], []]


def test_it_is_an_option_of_the_command_and_in_its_json(said: dict[str, Any]) -> None:
    command = said["command"]
    assert f"--{NAME.replace('_', '-')} <int>" in command["help"]
    assert "Count images with at least so many boxes." in command["help"]
    assert "1 images have 2 boxes or more\n" in command["asked"] and "boxes or more" not in command["plain"]
    assert command["asked.json"].pop(NAME) == {"boxes": 2, "crowded": 1, "others": 1}
    assert command["asked.json"] == command["plain.json"]
