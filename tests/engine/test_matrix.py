"""A node written once is repeated along the axes in its name, and gathered along those that only inputs name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.config import load_config
from pipeline.engine.matrix import expand
from tests.engine.squares import STAGES

TREE: dict[str, Any] = {
    "name": "table",
    "matrix": {"row": {"a": {"n": 3, "many": [1, 2]}, "b": {"n": 4, "many": []}}, "size": ["s", "l"]},
    "nodes": {
        "first_{row}": {"n": "{n}", "deep": {"many": "{many}", "said": ["{row} has {n}"]}, "kept": 7},
        "both_{size}_{row}": {"inputs": {"x": "first_{row}"}, "big": "{size}"},
        "of_{size}": {"inputs": {"all": ["zero", "both_{size}_{row}"], "one": "zero"}},
        "last": {"inputs": {"all": "both_{size}_{row}", "turned": ["x_{row}_{size}", "zero"]}, "n": {"{": "}"}},
    },
}


def test_an_axis_in_a_nodes_name_repeats_it() -> None:
    tree = expand(TREE)
    assert "matrix" not in tree
    assert list(tree["nodes"]) == ["first_a", "first_b", "both_s_a", "both_s_b", "both_l_a", "both_l_b", "of_s", "of_l", "last"]  # fmt: skip
    assert tree["nodes"]["first_a"] == {"n": 3, "deep": {"many": [1, 2], "said": ["a has 3"]}, "kept": 7}
    assert tree["nodes"]["first_b"]["deep"] == {"many": [], "said": ["b has 4"]}
    assert tree["nodes"]["both_l_b"] == {"inputs": {"x": "first_b"}, "big": "l"}
    assert TREE["nodes"]["first_{row}"]["n"] == "{n}"


def test_an_axis_in_the_inputs_alone_is_gathered_in_order() -> None:
    nodes = expand(TREE)["nodes"]
    assert nodes["of_l"]["inputs"] == {"all": ["zero", "both_l_a", "both_l_b"], "one": "zero"}
    assert nodes["last"]["inputs"]["all"] == ["both_s_a", "both_s_b", "both_l_a", "both_l_b"]
    assert nodes["last"]["inputs"]["turned"] == ["x_a_s", "x_a_l", "x_b_s", "x_b_l", "zero"]
    assert nodes["last"]["n"] == {"{": "}"}


def test_a_variable_may_name_axes() -> None:
    matrix = {"way": {"own": {"by": "ranker_{size}"}, "other": {"by": "ranker_l"}}, "size": ["s", "l"]}
    tree = {
        "matrix": matrix,
        "nodes": {"r_{way}_{size}": {"inputs": {"by": "{by}"}}, "all_{way}": {"inputs": {"by": ["{by}"]}}},
    }
    nodes = expand(tree)["nodes"]
    assert [nodes[f"r_{name}"]["inputs"]["by"] for name in ("own_s", "own_l", "other_s", "other_l")] == [
        "ranker_s", "ranker_l", "ranker_l", "ranker_l"
    ]  # fmt: skip
    assert nodes["all_own"]["inputs"] == {"by": ["ranker_s", "ranker_l"]}


def test_a_later_block_is_merged_over_an_earlier_one() -> None:
    nodes = {"x_{row}": {"n": "{n}", "deep": {"a": 1, "b": 2}}, "x_{some}": {"deep": {"b": 3}}, "x_c": None}
    rows = {name: {"n": number} for number, name in enumerate("abc")}
    assert expand({"matrix": {"row": rows, "some": ["b"]}, "nodes": nodes})["nodes"] == {
        "x_a": {"n": 0, "deep": {"a": 1, "b": 2}},
        "x_b": {"n": 1, "deep": {"a": 1, "b": 3}},
        "x_c": None,
    }


def test_a_config_without_a_matrix_is_left_alone() -> None:
    tree = {"nodes": {"x_{row}": {"text": "{n}"}}}
    assert expand(tree) == tree


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matrix": {"row": {"a": {"n": 1, "many": []}, "b": {"many": []}}, "size": ["s"]}},
         r"nodes\.first_b: no axis in its name and no variable of one is called n; it has many, row"),
        ({"nodes": {"x": {"text": "{row}"}}}, r"nodes\.x: no axis .* is called row; it has none"),
        ({"nodes": {"x_{rwo}": {}}}, r"nodes\.x_\{rwo\}: no axis .* is called rwo; it has none"),
        ({"nodes": {"x": {"inputs": {"a": "first_{rwo}"}}}}, r"nodes\.x: no axis .* is called rwo; it has none"),
        ({"matrix": ["a", "b"]}, r"matrix: expected axes, each a list of names or a mapping .*found \['a', 'b'\]"),
        ({"matrix": {"row": {"a": 3}}}, r"matrix\.row: expected axes, .*found \{'a': 3\}"),
        ({"matrix": {"row": "a"}}, r"matrix\.row: expected axes, .*found 'a'"),
        ({"matrix": {"one": {"a": {"n": 1}}, "two": {"b": {"n": 2}}}}, r"matrix\.two: n is a name of axis one already"),
        ({"matrix": {"one": {"a": {"two": 1}}, "two": ["b"]}}, r"matrix\.one: two is a name of axis two already"),
    ],
)  # fmt: skip
def test_mistakes_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand({**TREE, **change})


def test_a_field_of_many_nodes_is_set_at_once(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "matrix: {row: {a: {n: 3}, b: {n: 4}}}\nnodes:\n"
        "  'numbers_{row}': {stage: numbers, plus: '{n}'}\n"
        "  'squares_{row}': {stage: squares, inputs: {numbers: 'numbers_{row}'}}\n"
    )
    graph = load_config(file, STAGES, ["numbers_*.run.workers=5", "numbers_b.plus=9"]).graph
    assert [graph.nodes[name].resources.workers for name in ("numbers_a", "numbers_b")] == [5, 5]
    assert [graph.nodes[name].stage.model_dump()["plus"] for name in ("numbers_a", "numbers_b")] == [3, 9]
    with pytest.raises(ValueError, match="no node is called 'letters_"):
        load_config(file, STAGES, ["letters_*.plus=1"])


def test_a_base_gives_axes_and_entries(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "matrix: {row: {a: {n: 1}}}\nnodes: {'x_{row}': {stage: numbers, plus: '{n}'}}\n"
    )
    file = tmp_path / "c.yaml"
    file.write_text("base: base.yaml\nmatrix: {row: {a: {n: 2}, b: {n: 3}}}\n")
    nodes = load_config(file, STAGES).graph.nodes
    assert {name: node.stage.model_dump()["plus"] for name, node in nodes.items()} == {"x_a": 2, "x_b": 3}
