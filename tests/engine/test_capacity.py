"""Nodes that could never start are refused, and only what goes side by side is begun side by side."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from pipeline.engine.capacity import UNLIMITED, Machine, require_capacity, side_by_side
from pipeline.engine.graph import Node
from pipeline.engine.stage import Resources
from tests.engine.squares import Squares, Total

SMALL = (Machine(2, 0, 16), Machine(2, 0, 16), Machine(2, 0, 16))
MIXED = (Machine(16, 0, 64), Machine(8, 2, 32))


def node(name: str = "n", kind: type = Squares, **asked: Any) -> Node:
    return Node(name, kind(), resources=Resources(**asked))


@pytest.mark.parametrize(
    ("machines", "asked", "room", "change"),
    [
        # Six cores, and no machine with four of them: a check of the sum alone would let it wait for ever.
        (SMALL, {"cpus": 4}, 0, "cpus=2"),
        (SMALL, {"workers": 4, "cpus": 2}, 3, "workers=3"),
        (SMALL, {"memory_gb": 20}, 0, "memory_gb=16"),
        (SMALL, {"workers": 8, "memory_gb": 9}, 3, "workers=3"),
        (SMALL, {"gpus": 1}, 0, "gpus=0"),
        (MIXED, {"workers": 3, "gpus": 1}, 2, "workers=2"),
        (MIXED, {"workers": 5, "gpus": 0.5}, 4, "workers=4"),
        (MIXED, {"gpus": 1, "cpus": 12}, 0, "cpus=1"),  # each is there, on different machines
        ((), {}, 0, "cpus=0"),
    ],
)
def test_what_could_never_start_is_refused(
    machines: tuple[Machine, ...], asked: dict[str, Any], room: int, change: str
) -> None:
    with pytest.raises(ValueError, match=rf"n: .* room for {room} .*try --set n.run.{re.escape(change)}$"):
        require_capacity([node(**asked)], machines)


@pytest.mark.parametrize(
    ("machines", "asked"),
    [
        (SMALL, {"workers": 3, "cpus": 2}),
        (SMALL, {"workers": 6, "memory_gb": 8}),
        (MIXED, {"workers": 2, "gpus": 1, "cpus": 4}),
        (MIXED, {"workers": 6, "gpus": 1 / 3}),
        (MIXED, {"workers": 2, "gpus": 1}),  # beside a GPU one core is not counted
        (UNLIMITED, {"workers": 1000, "cpus": 64, "gpus": 8, "memory_gb": 512}),
    ],
)
def test_what_can_start_is_let_through(machines: tuple[Machine, ...], asked: dict[str, Any]) -> None:
    require_capacity([node(**asked)], machines)
    assert side_by_side([node(**asked)], machines)


def test_all_problems_are_listed_at_once() -> None:
    with pytest.raises(ValueError, match=r"nothing was started:\n  - a: (.|\n)*\n  - c: ") as caught:
        require_capacity([node("a", cpus=3), node("b", cpus=2), node("c", gpus=1)], SMALL)
    assert "3 x 2 cpus, 0 gpus and 16 GB" in str(caught.value) and "- b" not in str(caught.value)


def test_a_stage_that_does_not_spread_counts_once() -> None:
    require_capacity([node(kind=Total, workers=9, cpus=2)], SMALL)


def test_nodes_go_side_by_side_where_every_worker_finds_a_machine() -> None:
    assert side_by_side([node(workers=3, cpus=1), node(workers=3, cpus=1)], SMALL)
    assert not side_by_side([node(workers=3, cpus=1), node(workers=4, cpus=1)], SMALL)
    # Four cores are free, two on each of two machines: enough for two of two, not for one of three beside them.
    assert side_by_side([node(cpus=2), node(workers=2, cpus=2)], SMALL)
    assert not side_by_side([node(workers=2, cpus=1.5), node(workers=2, cpus=1.5)], SMALL)
    # The larger workers choose first, so that small ones do not fill the only machine that has room for them.
    assert side_by_side([node(workers=8, cpus=1), node(cpus=16)], MIXED)
    assert math.isinf(UNLIMITED[0].times(Machine(4, 1, 8)))
