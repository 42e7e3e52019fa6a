"""Nodes written once become one per row, with the row's own values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.config import load_config
from pipeline.engine.matrix import expand
from tests.engine.squares import Numbers, Squares

TREE: dict[str, Any] = {
    "name": "table",
    "rows": {"a": {"n": 3, "many": [1, 2]}, "b": {"n": 4, "many": []}},
    "nodes": {
        "first_{row}": {"n": "{n}", "deep": {"many": "{many}", "said": ["{row} has {n}"]}, "kept": 7},
        "last": {"inputs": {"all": ["zero", "first_{row}"], "one": "zero"}},
    },
}


def test_rows_become_nodes() -> None:
    tree = expand(TREE)
    assert "rows" not in tree
    assert list(tree["nodes"]) == ["first_a", "first_b", "last"]
    assert tree["nodes"]["first_a"] == {"n": 3, "deep": {"many": [1, 2], "said": ["a has 3"]}, "kept": 7}
    assert tree["nodes"]["first_b"]["deep"] == {"many": [], "said": ["b has 4"]}
    assert tree["nodes"]["last"]["inputs"] == {"all": ["zero", "first_a", "first_b"], "one": "zero"}
    assert TREE["nodes"]["first_{row}"]["n"] == "{n}"


def test_a_config_without_rows_is_left_alone() -> None:
    tree = {"nodes": {"x_{row}": {"text": "{n}"}}}
    assert expand(tree) == tree


def test_a_variable_that_a_row_lacks_is_named() -> None:
    tree = {**TREE, "rows": {"a": {"n": 1, "many": []}, "b": {"many": []}}}
    with pytest.raises(ValueError, match=r"nodes\.first_\{row\}: row b has no variable n; it has row, many"):
        expand(tree)


def test_rows_must_be_mappings() -> None:
    with pytest.raises(ValueError, match=r"rows: expected a mapping"):
        expand({"rows": ["a", "b"]})


def test_a_field_of_many_nodes_is_set_at_once(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "name: t\nstore: s\nrows: {a: {n: 3}, b: {n: 4}}\nnodes:\n"
        "  'numbers_{row}': {stage: numbers, plus: '{n}'}\n"
        "  'squares_{row}': {stage: squares, inputs: {numbers: 'numbers_{row}'}}\n"
    )
    stages = {"numbers": Numbers, "squares": Squares}
    graph = load_config(file, stages, ["numbers_*.run.workers=5", "numbers_b.plus=9"]).graph
    assert [graph.nodes[name].resources.workers for name in ("numbers_a", "numbers_b")] == [5, 5]
    assert [graph.nodes[name].stage.model_dump()["plus"] for name in ("numbers_a", "numbers_b")] == [3, 9]
    with pytest.raises(ValueError, match="no node is called 'letters_"):
        load_config(file, stages, ["letters_*.plus=1"])
