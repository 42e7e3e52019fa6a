"""The four people of docs/ in their first five minutes, with the built wheel in an empty folder: what is typed, and what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.five_minutes import FOLDER, PEOPLE, typed
from tests.wheel import installed

__all__ = ["installed"]

_RAY = {"platform": pytest.mark.ray}
_PROGRESS = re.compile(r"^\w+( \d+/\d+ items .*| \d[\d.hms]*)$")  # how far a node is, from time to time
_DEVICES = re.compile(r"^(ok|--|NO|   ) .*")  # of the machine


def lines_of(text: str) -> list[str]:
    """Returns lines without numbers, which times and other machines' chips change, and without those on a machine."""
    lines = [line for line in text.splitlines() if not _PROGRESS.match(line) and not _DEVICES.match(line)]
    return [re.sub(r"[ \-:]+", " ", re.sub(r"\d[\d.,]*( ?(ms|s|m|h|%)\b)?", "#", line)).strip() for line in lines]


@pytest.mark.slow
@pytest.mark.wider
@pytest.mark.parametrize("person", [pytest.param(name, marks=_RAY.get(name, ())) for name in PEOPLE])
def test_what_is_typed_prints_what_is_written_down(
    person: str, shared: Path, tmp_path: Path, installed: Mapping[str, str]
) -> None:
    found = typed(person, shared, tmp_path, installed)
    assert lines_of(found) == lines_of((FOLDER / f"{person}.txt").read_text(encoding="utf-8")), found


@pytest.mark.parametrize("person", PEOPLE)
def test_every_script_is_linked_and_its_commands_are_on_the_page(person: str) -> None:
    page = (FOLDER.parent / f"{person}.md").read_text(encoding="utf-8")
    assert f"five_minutes/{person}.sh" in page and f"five_minutes/{person}.txt" in page
    script = (FOLDER / f"{person}.sh").read_text(encoding="utf-8")
    commands = set(re.findall(r"^wider8k ((?:weights |dataset |predictions )?\w+)", script, re.MULTILINE))
    assert commands <= set(re.findall(r"wider8k ((?:weights |dataset |predictions )?\w+)", page))
