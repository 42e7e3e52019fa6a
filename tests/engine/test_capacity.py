"""Nodes that could never start are refused, and only what goes side by side is begun side by side."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

import pytest

from pipeline.engine.capacity import FIXED, UNLIMITED, Machine, Outlook, require_capacity, side_by_side
from pipeline.engine.graph import Node
from pipeline.engine.stage import Resources
from tests.engine.squares import Squares, Total

SMALL = (Machine(2, 0, 16), Machine(2, 0, 16), Machine(2, 0, 16))
MIXED = (Machine(16, 0, 64), Machine(8, 2, 32))
HEAD = Machine(0, 0, 8)


def node(name: str = "n", kind: type = Squares, **asked: Any) -> Node:
    return Node(name, kind(), resources=Resources(**asked))


@pytest.mark.parametrize(
    ("machines", "asked", "change"),
    [
        # Six cores, and no machine with four of them: a check of the sum alone would let it wait for ever.
        (SMALL, {"cpus": 4}, {"cpus": 2}),
        (SMALL, {"memory_gb": 20}, {"memory_gb": 16}),
        (SMALL, {"memory_gb": 20, "cpus": 3}, {"cpus": 2, "memory_gb": 16}),
        (SMALL, {"gpus": 1}, {"gpus": 0}),
        (SMALL, {"gpus": 1, "cpus": 4}, {"gpus": 0, "cpus": 2}),
        (MIXED, {"gpus": 1, "cpus": 12}, {"cpus": 8}),  # each is there, on different machines; the GPU is kept
        (MIXED, {"gpus": 4}, {"gpus": 2}),
        ((Machine(0, 1, 8),), {"gpus": 1, "cpus": 2}, {"cpus": 1}),  # beside a GPU one core is not counted
        ((HEAD, Machine(0.5, 0, 8)), {}, {"cpus": 0.5}),
    ],
)
def test_what_could_never_start_is_refused_with_settings_that_are_accepted(
    machines: tuple[Machine, ...], asked: dict[str, Any], change: dict[str, float]
) -> None:
    sets = " ".join(f"--set n.run.{name}={value:g}" for name, value in change.items())
    with pytest.raises(ValueError, match=rf"n: a worker takes .* no machine with room .*: try {re.escape(sets)}$"):
        require_capacity([node(**asked)], machines)
    assert require_capacity([node(**asked | change)], machines) == []


@pytest.mark.parametrize("machines", [(), (HEAD,)])
def test_where_no_setting_helps_none_is_advised(machines: tuple[Machine, ...]) -> None:
    with pytest.raises(ValueError, match=r"no setting helps; add a machine .*--wait-minutes 10.*--local") as caught:
        require_capacity([node()], machines)
    assert "--set" not in str(caught.value)


class Group(Total):
    """A whole stage whose processes work together."""

    distributed: ClassVar[bool] = True


class OnGpus(Squares):
    """A stage that computes on a GPU and nowhere else."""

    def fits(self, resources: Resources) -> None:
        if not resources.gpus:
            raise ValueError("expected a GPU")


def test_what_a_stage_refuses_is_not_advised() -> None:
    with pytest.raises(ValueError, match="no setting helps"):
        require_capacity([node(kind=OnGpus, gpus=1)], SMALL)


@pytest.mark.parametrize(
    ("machines", "asked", "room"),
    [
        (SMALL, {"workers": 4, "cpus": 2}, 3),
        (SMALL, {"workers": 8, "memory_gb": 9}, 3),
        (MIXED, {"workers": 3, "gpus": 1}, 2),
        (MIXED, {"workers": 5, "gpus": 0.5}, 4),
    ],
)
def test_a_node_starts_with_fewer_workers_than_it_wishes_for_and_says_so(
    machines: tuple[Machine, ...], asked: dict[str, Any], room: int
) -> None:
    (line,) = require_capacity([node(**asked)], machines)
    assert line.startswith(f"n: {asked['workers']} workers of ")
    assert line.endswith(f": it starts with {room} at most") and f"room for {room} (" in line
    assert require_capacity([node(**asked | {"workers": "auto"})], machines) == []


def test_what_no_machine_carries_is_accepted_where_one_may_join() -> None:
    assert require_capacity([node()], (HEAD,), Outlook(True)) == []
    assert require_capacity([node(cpus=8)], (HEAD,), Outlook(True, (Machine(4), Machine(8)))) == []
    with pytest.raises(
        ValueError, match=r"\(1 x 0 cpus, 0 gpus and 8 GB\) and starts none that has \(1 x 4 cpus.*cpus=4$"
    ):
        require_capacity([node(cpus=8)], (HEAD,), Outlook(True, (Machine(4),)))
    with pytest.raises(ValueError, match="no setting helps"):
        require_capacity([node()], (HEAD,), FIXED)


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
    assert require_capacity([node(**asked)], machines) == []
    assert side_by_side([node(**asked)], machines)


def test_all_problems_are_listed_at_once() -> None:
    with pytest.raises(ValueError, match=r"nothing was started:\n  - a: (.|\n)*\n  - c: ") as caught:
        require_capacity([node("a", cpus=3), node("b", cpus=2), node("c", gpus=1)], SMALL)
    assert "3 x 2 cpus, 0 gpus and 16 GB" in str(caught.value) and "- b" not in str(caught.value)


def test_a_stage_that_does_not_spread_counts_once() -> None:
    assert require_capacity([node(kind=Total, workers=9, cpus=2)], SMALL) == []


def test_nodes_go_side_by_side_where_a_worker_of_each_finds_a_machine() -> None:
    assert side_by_side([node(workers="auto", cpus=1)] * 6, SMALL)
    assert not side_by_side([node(workers="auto", cpus=1)] * 7, SMALL)
    # Two cores are free, one on each of two machines: enough for two of one, not for one of two beside them.
    assert side_by_side([node(cpus=1.5), node(cpus=1.5), node(cpus=1), node(cpus=1)], SMALL)
    assert not side_by_side([node(cpus=1.5)] * 4, SMALL)
    # Processes of a training start together.
    assert side_by_side([node(kind=Group, workers=5), node(workers="auto")], SMALL)
    assert not side_by_side([node(kind=Group, workers=6), node(workers="auto")], SMALL)
    # The larger workers choose first, so that small ones do not fill the only machine that has room for them.
    assert side_by_side([node(cpus=1), node(cpus=16)], MIXED)
    assert math.isinf(UNLIMITED[0].times(Machine(4, 1, 8)))
