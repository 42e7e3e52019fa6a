from __future__ import annotations

import re

import pytest

from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.outcome import Outcome
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from stages.cli.run_summary import device_share, run_summary
from tests.engine.conftest import World, world
from tests.engine.squares import STAGES

__all__ = ["world"]


def ran(world: World, *sets: str) -> tuple[Outcome, list[str]]:
    graph = load_config(world.folder / "config.yaml", STAGES, sets).graph
    outcome = Runner(graph, world.store, Options(frozenset(graph.order)), LocalExecutor, quiet=True).run()
    return outcome, run_summary(outcome, graph.nodes).splitlines()


def test_each_node_that_was_computed_has_a_line(world):
    _, lines = ran(world, "squares.seconds=0.05")
    assert lines[0].startswith("computed (time: on the clock; ")
    assert lines[1].split() == ["node", "rows", "rows/s", "device", "time", "work", "errors"]
    cells = {line.split()[0]: line.split()[1:] for line in lines[2:6]}
    assert list(cells) == ["numbers", "squares", "cubes", "total"]
    rows, pace, clock, work = cells["squares"]
    assert rows == "10"
    assert 0.5 <= float(work.rstrip("s")) <= float(clock.rstrip("s")) + 0.05
    assert float(pace) == pytest.approx(10 / float(clock.rstrip("s")), rel=0.15)
    assert len(cells["total"]) == 2, "a whole stage has no rows per second"
    assert re.fullmatch(r"used: [\de.-]+ CPU-hours, 0 GPU-hours", lines[-1])


def test_what_is_reused_cost_nothing(world):
    ran(world)
    _, lines = ran(world, "cubes.power=4")
    assert [line.split()[0] for line in lines[2:4]] == ["cubes", "total"]
    assert lines[4].startswith("used: ")
    assert ran(world, "cubes.power=4")[1] == []


def test_errors_are_counted_by_kind_where_they_begin(world):
    outcome, lines = ran(world, "squares.fail_on=n004")
    assert outcome.errors == {"squares": [("n004", "set to fail")]}
    assert lines[lines.index("errors by kind") + 1] == "      1 x set to fail (first: squares n004)"
    (squares,) = (line for line in lines if line.split()[0] == "squares")
    assert squares.split()[-1] == "1"


def test_many_kinds_are_cut_short(world):
    outcome, _ = ran(world)
    outcome.errors["squares"] = [(f"n{i}", f"no {'x' * i} here") for i in range(14)] + [("n99", "no x here")]
    lines = run_summary(outcome, load_config(world.folder / "config.yaml", STAGES, []).graph.nodes).splitlines()
    kinds = lines[lines.index("errors by kind") + 1 : -1]
    assert kinds[0] == "      2 x no x here (first: squares n1)"
    assert kinds[10:] == ["      4 of 4 other kinds"]


@pytest.mark.parametrize(
    ("run", "share"),
    [
        ({"seconds": 10.0, "measured": {"network_seconds": 2.0, "device_wait_seconds": 5.5}}, 0.75),
        ({"seconds": 10.0, "measured": {"network_seconds": 11.0}}, 1.0),
        ({"seconds": 10.0, "measured": {"write_seconds": 1.0}}, None),
        ({"seconds": 0.0, "measured": {"network_seconds": 1.0}}, None),
        ({"seconds": 10.0}, None),
    ],
)
def test_the_share_of_the_device(run, share):
    assert device_share(run) == share


def test_hours_are_those_of_the_cores_of_all_workers(world):
    outcome, _ = ran(world)
    graph = load_config(world.folder / "config.yaml", STAGES, ["squares.run.cpus=4", "squares.run.gpus=0.5"]).graph
    outcome.computed[:] = ["squares"]
    outcome.outputs["squares"].manifest.run["seconds"] = 3600.0
    assert run_summary(outcome, graph.nodes).splitlines()[-1] == "used: 4 CPU-hours, 0.5 GPU-hours"
