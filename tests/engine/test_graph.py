"""Wiring of nodes: what is refused, in which order they come, and which are chosen."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa
import pytest

from pipeline.engine.graph import Graph, Node
from pipeline.engine.stage import Port
from tests.engine.squares import NUMBERS, Numbers, Squares, Total


class Compared(Total):
    """Follows its numbers to what they are squares of; what it is beside them for it does not follow."""

    name: ClassVar[str] = "compared"
    inputs: ClassVar[dict[str, Port]] = {"numbers": Port(NUMBERS, many=True), "more": Port(NUMBERS, optional=True)}
    follows: ClassVar[tuple[str, ...]] = ("numbers",)


def squares(name: str, *upstream: str) -> Node:
    return Node(name, Squares(), {"numbers": upstream})


def compared(*numbers: str, **more: tuple[str, ...]) -> Node:
    return Node("compared", Compared(), {"numbers": numbers, **more})


ROOTS = (Node("a", Numbers()), Node("b", Numbers()))


def problems(*nodes: Node) -> list[str]:
    with pytest.raises(ValueError, match="the graph does not fit together:\n") as error:
        Graph(nodes)
    return [line.removeprefix("  - ") for line in str(error.value).splitlines()[1:]]


def test_nodes_come_after_what_they_read() -> None:
    graph = Graph([compared("d", "a"), squares("d", "c"), squares("c", "a"), *ROOTS])
    assert graph.order == ("a", "b", "c", "d", "compared")
    assert graph.ancestors("d") == {"a", "c"}
    assert graph.ancestors("a") == set()
    assert graph.nodes["d"].upstream == ("c",)


def test_a_stage_that_follows_its_inputs_reads_what_they_came_from() -> None:
    nodes = (*ROOTS, squares("c", "a"), squares("d", "c"), squares("e", "b"))
    node = Graph([*nodes, compared("d", "a", more=("e",))]).nodes["compared"]
    assert node.lineage == {"d": {"numbers": ("c",)}, "a": {}, "c": {"numbers": ("a",)}}
    assert node.upstream == ("d", "a", "e", "c")
    assert Graph(nodes).nodes["d"].lineage == {}


def test_a_node_that_is_read_twice_is_named_once() -> None:
    assert Node("t", Total(), {"numbers": ("a", "b", "a")}).upstream == ("a", "b")


def test_every_mistake_of_wiring_is_told() -> None:
    assert problems(*ROOTS, Node("c", Squares(), {"number": ("a",)})) == [
        "c.inputs.number: no such input (did you mean 'numbers'?)",
        "c.inputs.numbers: missing; name the node that feeds it",
    ]
    assert problems(*ROOTS, squares("c", "a", "b")) == ["c.inputs.numbers: takes one node, found a, b"]
    assert problems(*ROOTS, squares("c", "zz"), squares("d", "cc")) == [
        "c.inputs.numbers: no node is called 'zz' (choices: a, b, c, d)",
        "d.inputs.numbers: no node is called 'cc' (did you mean 'c'?)",
    ]
    assert problems(*ROOTS, Node("t", Total(), {"numbers": ("a",)}), squares("c", "t")) == [
        "c.inputs.numbers: expected rows of (image_id, value, error, ...), t gives (total, ...)"
    ]
    assert problems(*ROOTS, compared()) == ["compared.inputs.numbers: missing; name the node that feeds it"]


def test_an_optional_input_may_be_left_out_and_takes_one() -> None:
    both = (*ROOTS, squares("c", "a"))
    assert Graph([*both, compared("c")]).order[-1] == "compared"
    assert Graph([*both, compared("c", more=("b",))]).nodes["compared"].upstream == ("c", "b", "a")
    assert problems(*both, compared("c", more=("a", "b"))) == ["compared.inputs.more: takes one node, found a, b"]


def test_a_schema_of_other_types_does_not_fit() -> None:
    class Other(Numbers):
        output: ClassVar[pa.Schema] = NUMBERS.set(1, pa.field("value", pa.int32(), False))

    (problem,) = problems(Node("a", Other()), squares("c", "a"))
    assert problem.startswith("c.inputs.numbers: expected rows of")


def test_of_many_columns_the_first_are_told() -> None:
    class Wide(Numbers):
        output: ClassVar[pa.Schema] = pa.schema([pa.field(f"c{i}", pa.int32()) for i in range(9)])

    class OfWide(Squares):
        inputs: ClassVar[dict[str, Port]] = {"numbers": Port(Wide.output)}

    assert problems(Node("a", Wide()), squares("c", "a")) == [
        "c.inputs.numbers: expected rows of (image_id, value, error, ...), a gives (c0, c1, c2, c3, c4, c5, ...)"
    ]
    assert problems(Node("a", Numbers()), Node("c", OfWide(), {"numbers": ("a",)})) == [
        "c.inputs.numbers: expected rows of (c0, c1, c2, c3, c4, c5, ...), a gives (image_id, value, error, ...)"
    ]


def test_a_cycle_names_its_own_nodes_alone() -> None:
    """Neither what it reads nor what reads it."""

    class Sum(Total):
        output: ClassVar[pa.Schema] = NUMBERS

    cycle = (Node("d", Sum(), {"numbers": ("a", "c")}), squares("c", "d"), squares("after", "c"))
    with pytest.raises(ValueError, match=r"feed each other in a cycle: (c -> d -> c|d -> c -> d)$"):
        Graph([*ROOTS, *cycle])


GRAPH = Graph([*ROOTS, squares("c", "a"), squares("d", "c"), squares("e", "b")])


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({}, "a b c e d"),
        ({"only": ["d", "a"]}, "a d"),
        ({"start": "c"}, "c d"),
        ({"start": "a"}, "a c d"),
        ({"until": "c"}, "a c"),
        ({"until": "e"}, "b e"),
        ({"start": "a", "until": "c"}, "a c"),
        ({"start": "c", "until": "e"}, ""),
        ({"only": ["a", "c", "e"], "until": "c"}, "a c"),
        ({"only": ["a", "d", "e"], "start": "c"}, "d"),
    ],
)
def test_what_is_chosen(choice: dict[str, object], wanted: str) -> None:
    assert GRAPH.select(**choice) == tuple(wanted.split())


@pytest.mark.parametrize("choice", [{"only": ["a", "cc"]}, {"start": "cc"}, {"until": "cc"}])
def test_a_name_that_is_not_there_is_refused_with_the_nearest(choice: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no node is called 'cc' \(did you mean 'c'\?; choices: a, b, c, d, e\)"):
        GRAPH.select(**choice)
