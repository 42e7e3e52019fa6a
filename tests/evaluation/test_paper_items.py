"""Entries of tables and figures: what a file may say, and what the costs of their configs are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.evaluation.paper_items import counted_costs, read_items

ENTRY = "{shows: a, prints: b, needs: [c], state: whole, config: x.yaml, node: table, kind: ap}"


def read(tmp_path: Path, text: str):  # type: ignore[no-untyped-def]
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    return read_items(tmp_path)


def test_an_entry_is_read_by_its_name(tmp_path: Path) -> None:
    items = read(tmp_path, f"mine-table-1: {ENTRY}")
    assert list(items) == ["mine-table-1"] and items["mine-table-1"].needs == ("c",)
    with pytest.raises(ValueError, match="did you mean 'mine-table-1'"):
        items.find("mine-table-2")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a]", "expected a mapping"),
        (f"a: {ENTRY[:-1]}, colums: []}}", "colums"),
        (f"a: {ENTRY[:-1]}, columns: [eesy]}}", "eesy"),
        (f"a: {ENTRY[:-1]}, state: part}}".replace("state: whole, ", ""), "state is part: expected lacks"),
        (f"a: {ENTRY[:-1]}, state: part, lacks: d}}".replace("state: whole, ", ""), "state is part: expected then"),
        (f"a: {ENTRY[:-1]}, lacks: d}}", "for all but 'whole', found 'd'"),
        ("a: {shows: a, prints: b, needs: [], state: whole, config: x.yaml}", "node Field required; kind Field"),
        (
            f"a: {ENTRY[:-1]}, state: not yet, lacks: d, then: e}}".replace("state: whole, ", ""),
            "'stand-in', 'part' or",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read(tmp_path, text)


def test_a_name_that_comes_twice_and_a_folder_without_any_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found none"):
        read_items(tmp_path)
    (tmp_path / "other.yaml").write_text(f"a: {ENTRY}")
    with pytest.raises(ValueError, match="a comes twice"):
        read(tmp_path, f"a: {ENTRY}")


def test_costs_are_those_of_all_work_of_a_config() -> None:
    page = "## Every config\n\n| config | dumps | all |\n| --- | --- | --- |\n| `a` | 1 | 2.5 |\n\n## Every training\n| `a` | 3 | 4 |\n"
    assert counted_costs(page) == {"a": "2.5"}
    assert counted_costs("nothing") == {}
