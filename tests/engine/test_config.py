from __future__ import annotations

import pytest

from pipeline.engine.config import load_config
from tests.engine.squares import STAGES

BASE = "name: base\nstore: /tmp/s\nnodes:\n  a: {stage: numbers, plus: 1, at: here}\n  b: {stage: squares, inputs: {numbers: a}}\n"


def load(tmp_path, text, *sets):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load_config(path, STAGES, sets)


def test_a_config_becomes_a_graph(tmp_path):
    config = load(tmp_path, BASE)
    assert config.graph.order == ("a", "b")
    assert config.graph.nodes["a"].stage.plus == 1
    assert config.graph.nodes["a"].at == "here"


def test_a_config_is_a_short_list_of_differences_from_a_base(tmp_path):
    (tmp_path / "base.yaml").write_text(BASE)
    config = load(
        tmp_path,
        "base: base.yaml\nname: mine\nnodes:\n  a: {plus: 5}\n  c: {stage: total, inputs: {numbers: [a, b]}}\n",
    )
    assert (config.name, config.store) == ("mine", "/tmp/s")
    assert config.graph.nodes["a"].stage.plus == 5
    assert config.graph.nodes["a"].at == "here"
    assert "c" in config.graph.nodes
    assert "b" not in load(tmp_path, "base: base.yaml\nnodes: {b: null}\n").graph.nodes


def test_overrides_are_yaml_values(tmp_path):
    config = load(tmp_path, BASE, "b.power=5", "a.run.workers=3", "store=/tmp/elsewhere")
    assert config.graph.nodes["b"].stage.power == 5
    assert config.graph.nodes["a"].resources.workers == 3
    assert config.store == "/tmp/elsewhere"


@pytest.mark.parametrize(
    ("text", "sets", "message"),
    [
        (BASE.replace("plus: 1", "plsu: 1"), [], r"nodes\.a\.plsu: unknown field \(did you mean 'plus'\?\)"),
        (BASE.replace("plus: 1", "plus: many"), [], r"nodes\.a\.plus: .*integer.*found 'many'"),
        (BASE.replace("stage: squares", "stage: sqares"), [], r"nodes\.b\.stage: no stage .*did you mean 'squares'"),
        (BASE.replace("numbers: a}", "numbers: z}"), [], r"b\.inputs\.numbers: no node is called 'z'"),
        (BASE.replace("inputs: {numbers: a}", "inputs: {nmbers: a}"), [], r"no such input \(did you mean 'numbers'\?\)(.|\n)*missing"),
        (BASE.replace("store: /tmp/s\n", ""), [], "store: missing"),
        (BASE + "nodse: {}\n", [], r"nodse: unknown field \(did you mean 'nodes'\?\)"),
        (BASE, ["c.power=1"], "no node is called 'c'"),
        (BASE, ["power"], "expected node.field=value"),
        (BASE, ["a.run.workers=0"], r"nodes\.a\.run\.workers: .*greater than or equal to 1"),
        ("[1, 2]", [], "expected a mapping"),
        ("a: [", [], "not valid YAML"),
        ("base: nowhere.yaml", [], "nowhere.yaml: no such config file"),
        ("base: config.yaml", [], "circle"),
    ],
)  # fmt: skip
def test_every_mistake_is_named(tmp_path, text, sets, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, text, *sets)


def test_all_mistakes_are_listed_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"nodes\.a\.plus(.|\n)*nodes\.b\.power"):
        load(tmp_path, BASE.replace("plus: 1", "plus: x").replace("stage: squares", "stage: squares, power: y"))


def test_nodes_of_other_rows_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"d\.inputs\.numbers: expected rows of \(image_id"):
        load(
            tmp_path, BASE + "  c: {stage: total, inputs: {numbers: b}}\n  d: {stage: squares, inputs: {numbers: c}}\n"
        )


def test_circles_are_named(tmp_path):
    with pytest.raises(ValueError, match="circle: a2, b2"):
        load(
            tmp_path,
            BASE + "  a2: {stage: squares, inputs: {numbers: b2}}\n  b2: {stage: squares, inputs: {numbers: a2}}\n",
        )


def test_selection(tmp_path):
    graph = load(tmp_path, BASE + "  c: {stage: total, inputs: {numbers: b}}\n").graph
    assert graph.select() == ("a", "b", "c")
    assert graph.select(only=["b"]) == ("b",)
    assert graph.select(start="b") == ("b", "c")
    assert graph.select(until="b") == ("a", "b")
    assert graph.select(start="b", until="b") == ("b",)
    with pytest.raises(ValueError, match="no node is called 'd'"):
        graph.select(until="d")
