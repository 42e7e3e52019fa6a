from __future__ import annotations

import os

import pytest

from pipeline.engine.config import load_config
from pipeline.engine.stage import AUTO
from tests.engine.squares import STAGES

BASE = "name: base\nstore: /tmp/s\nnodes:\n  a: {stage: numbers, plus: 1, path: here}\n  b: {stage: squares, inputs: {numbers: a}}\n"

MACHINES = "machine: smal\nmachines:\n  small: {squares: {cpus: 2, workers: 2}}\n  large: {numbers: {workers: 8}, squares: {gpus: 1}}\n"


# How it looks: a config of one's own is a base, what differs from it, and what is set on the command line.


def test_an_experiment_is_what_differs_from_its_base(tmp_path):
    (tmp_path / "squares.yaml").write_text(
        """
name: squares
store: runs/powers
nodes:
  numbers: {stage: numbers}
  powers: {stage: squares, inputs: {numbers: numbers}, run: {workers: 2}}
  total: {stage: total, inputs: {numbers: powers}}
"""
    )
    (tmp_path / "cubes.yaml").write_text("base: squares.yaml\nname: cubes\nnodes:\n  powers: {power: 3}\n")
    config = load_config(tmp_path / "cubes.yaml", STAGES, ["numbers.path=/data/numbers.txt", "powers.run.workers=8"])
    powers = config.graph.nodes["powers"]
    assert (config.name, powers.stage.power, powers.resources.workers) == ("cubes", 3, 8)
    assert config.graph.nodes["numbers"].path == "/data/numbers.txt"
    assert config.graph.order == ("numbers", "powers", "total")


def test_workers_may_be_as_many_as_fit(tmp_path):
    nodes = load(tmp_path, BASE.replace("b: {", "b: {run: {workers: auto}, "), "a.run.workers=auto").graph.nodes
    assert [nodes[name].resources.workers for name in "ab"] == [AUTO, AUTO]


def load(tmp_path, text, *sets):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load_config(path, STAGES, sets)


def test_a_config_becomes_a_graph(tmp_path):
    config = load(tmp_path, BASE)
    assert config.graph.order == ("a", "b")
    assert config.graph.nodes["a"].stage.plus == 1
    assert config.graph.nodes["a"].path == "here"


def test_a_config_is_a_short_list_of_differences_from_a_base(tmp_path):
    (tmp_path / "base.yaml").write_text(BASE)
    config = load(
        tmp_path,
        "base: base.yaml\nname: mine\nnodes:\n  a: {plus: 5}\n  c: {stage: total, inputs: {numbers: [a, b]}}\n",
    )
    assert (config.name, config.store) == ("mine", "/tmp/s")
    assert config.graph.nodes["a"].stage.plus == 5
    assert config.graph.nodes["a"].path == "here"
    assert "c" in config.graph.nodes
    assert "b" not in load(tmp_path, "base: base.yaml\nnodes: {b: null}\n").graph.nodes


def test_overrides_are_yaml_values(tmp_path):
    config = load(tmp_path, BASE, "b.power=5", "a.run.workers=3", "store=/tmp/elsewhere")
    assert config.graph.nodes["b"].stage.power == 5
    assert config.graph.nodes["a"].resources.workers == 3
    assert config.store == "/tmp/elsewhere"


@pytest.mark.parametrize(
    "typed", ["trip #2", "out #7", "2024-05-01", "1e3", "yes", "null", "[a", "2024", "a: b", "0640"]
)
def test_a_path_is_what_was_typed(tmp_path, typed):
    config = load(tmp_path, BASE, f"a.path={typed}", f"store=/tmp/{typed}")
    assert (config.graph.nodes["a"].path, config.store) == (typed, f"/tmp/{typed}")
    assert load(tmp_path, BASE, f"*.path={typed}").graph.nodes["b"].path == typed
    assert load(tmp_path, BASE, "a.path=").graph.nodes["a"].path is None
    assert load(tmp_path, BASE, "a.path=~/x").graph.nodes["a"].path == os.path.expanduser("~/x")
    assert load(tmp_path, BASE, "a.path=~").graph.nodes["a"].path == os.path.expanduser("~")


@pytest.mark.parametrize("written", ["2024-05-01", "1e3", "yes", "2024", "0640", "1_000", "12:30:45", "1.10"])
def test_a_path_in_a_file_is_what_was_written(tmp_path, written):
    text = (
        BASE.replace("path: here", f"path: {written}")
        .replace("/tmp/s", written)
        .replace("name: base", f"name: {written}")
    )
    config = load(tmp_path, text)
    assert (config.graph.nodes["a"].path, config.store, config.name) == (written,) * 3
    (tmp_path / written).write_text(BASE)
    assert load(tmp_path, f"base: {written}\n").name == "base"
    text = f"matrix: {{x: {{{written}: {{place: {written}}}}}}}\nnodes:\n  'n_{{x}}': {{stage: numbers, path: '{{place}}'}}\n"
    nodes = load(tmp_path, text).graph.nodes
    assert {name: node.path for name, node in nodes.items()} == {f"n_{written}": written}
    named = f"name: n\nstore: s\nnodes:\n  {written}: {{stage: numbers}}\n  b: {{stage: squares, inputs: {{numbers: {written}}}}}\n"
    assert load(tmp_path, named).graph.order == (written, "b")


def test_groups_of_fields_are_yaml(tmp_path):
    config = load(tmp_path, BASE, "b.run={workers: 2}", "b.run.cpus=3", "b.inputs={numbers: [a]}")
    assert (config.graph.nodes["b"].resources.workers, config.graph.nodes["b"].resources.cpus) == (2, 3)
    assert config.graph.nodes["b"].inputs == {"numbers": ("a",)}
    assert "b" not in load(tmp_path, BASE, "b=null").graph.nodes
    with pytest.raises(ValueError, match=r"--set b\.inputs=\[a: not valid YAML"):
        load(tmp_path, BASE, "b.inputs=[a")
    with pytest.raises(ValueError, match=r"--set b\.power=\[2: not valid YAML"):
        load(tmp_path, BASE, "b.power=[2")
    with pytest.raises(ValueError, match=r"--set b\.power\.x=1: power is not a group of fields"):
        load(tmp_path, BASE, "b.power=2", "b.power.x=1")


@pytest.mark.parametrize(
    ("text", "sets", "message"),
    [
        (BASE.replace("plus: 1", "plsu: 1"), [], r"nodes\.a\.plsu: unknown field \(did you mean 'plus'\?\)"),
        (BASE.replace("plus: 1", "plus: many"), [], r"nodes\.a\.plus: .*integer.*found 'many'"),
        (BASE.replace("stage: squares", "stage: sqares"), [], r"nodes\.b\.stage: no stage .*did you mean 'squares'"),
        (BASE.replace("numbers: a}", "numbers: z}"), [], r"b\.inputs\.numbers: no node is called 'z'"),
        (BASE.replace("inputs: {numbers: a}", "inputs: {nmbers: a}"), [], r"no such input \(did you mean 'numbers'\?\)(.|\n)*missing"),
        ("name: n\n", [], "nodes: missing"),
        (BASE + MACHINES, [], r"machine: none is called 'smal' \(did you mean 'small'\?\)"),
        (BASE + MACHINES.replace("squares", "sqares"), [], r"machines\.small\.sqares: no such stage \(did you mean 'squares'"),
        (BASE + MACHINES.replace("cpus", "cpu"), [], r"machines\.small\.squares\.cpu: unknown field \(did you mean 'cpus'"),
        (BASE + "machines: [small]\n", [], "machines: expected a mapping of names"),
        (BASE + "nodse: {}\n", [], r"nodse: unknown field \(did you mean 'nodes'\?\)"),
        (BASE, ["c.power=1"], "no node is called 'c'"),
        (BASE, ["power"], "expected node.field=value"),
        (BASE, ["a.run.workers=0"], r"nodes\.a\.run\.workers: .*greater than or equal to 1"),
        ("[1, 2]", [], "expected a mapping"),
        ("a: [", [], "not valid YAML"),
        (BASE + "name: again\n", [], r"config\.yaml:6: not valid YAML: 'name' is here and in line 1$"),
        (BASE + "  c: &x {stage: numbers, plus: *x}\n", [], r"config\.yaml:6: not valid YAML: \*x is within itself"),
        ("base: nowhere.yaml", [], "nowhere.yaml: no such config file"),
        ("base: config.yaml", [], "cycle"),
    ],
)  # fmt: skip
def test_every_mistake_is_named(tmp_path, text, sets, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, text, *sets)


def test_all_mistakes_are_listed_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"nodes\.a\.plus(.|\n)*nodes\.b\.power"):
        load(tmp_path, BASE.replace("plus: 1", "plus: x").replace("stage: squares", "stage: squares, power: y"))


def test_name_and_store_are_those_of_the_file(tmp_path):
    config = load(tmp_path, BASE.replace("name: base\nstore: /tmp/s\n", ""))
    assert (config.name, config.store) == ("config", "runs/config")
    assert load(tmp_path, BASE.replace("store: /tmp/s\n", "")).store == "runs/base"


def test_a_machine_gives_the_resources_of_its_stages(tmp_path):
    text = BASE.replace("{numbers: a}", "{numbers: a}, run: {workers: 3}") + MACHINES.replace("smal\n", "small\n")
    config = load(tmp_path, text, "a.run.cpus=5")
    a, b = (config.graph.nodes[name].resources for name in "ab")
    assert (a.workers, a.cpus, b.workers, b.cpus, b.gpus) == (1, 5, 3, 2, 0)  # a node's own run wins, --set above all
    path = tmp_path / "config.yaml"
    a, b = (load_config(path, STAGES, machine="large").graph.nodes[name].resources for name in "ab")
    assert (a.workers, a.cpus, b.workers, b.cpus, b.gpus) == (8, 1, 3, 1, 1)
    with pytest.raises(ValueError, match=r"machine: none is called 'gpu4' \(choices: small, large\)"):
        load_config(path, STAGES, machine="gpu4")


def test_a_share_of_the_config_is_that_of_every_node(tmp_path):
    text = BASE.replace("{numbers: a}", "{numbers: a}, run: {max_error_share: 0.3}") + "max_error_share: 0.1\n"
    a, b = (load(tmp_path, text).graph.nodes[name] for name in "ab")
    assert (a.resources.max_error_share, a.own_share) == (0.1, False)
    assert (b.resources.max_error_share, b.own_share) == (0.3, True)


@pytest.mark.parametrize("matrix", ["", "matrix: {row: [only]}\n"])
def test_set_on_one_node_leaves_the_others_that_share_an_alias(tmp_path, matrix):
    text = BASE.replace("path: here}", "run: &two {workers: 2}}").replace("numbers: a}}", "numbers: a}, run: *two}")
    config = load(tmp_path, matrix + text, "a.run.workers=9")
    assert [config.graph.nodes[name].resources.workers for name in "ab"] == [9, 2]


def test_set_on_one_node_leaves_the_others_that_share_a_variable(tmp_path):
    text = "matrix: {row: {only: {run: {workers: 2}}}}\nnodes:\n" + "".join(
        f"  {name}_{{row}}: {{stage: numbers, run: '{{run}}'}}\n" for name in "ab"
    )
    nodes = load(tmp_path, text, "a_only.run.workers=9").graph.nodes
    assert [nodes[f"{name}_only"].resources.workers for name in "ab"] == [9, 2]


def test_set_on_one_node_leaves_the_others_that_an_earlier_set_gave_the_same(tmp_path):
    config = load(tmp_path, BASE, "*.run={workers: 2}", "a.run.workers=9")
    assert [config.graph.nodes[name].resources.workers for name in "ab"] == [9, 2]
