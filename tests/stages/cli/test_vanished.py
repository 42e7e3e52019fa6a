"""False alarms that vanish in a second pass, and the faces that do."""

from __future__ import annotations

import pytest

from stages.cli.finished_run import FinishedRun
from stages.cli.vanished import vanished_result
from tests.stages.cli.paper_entry import paper_entry
from tests.stages.world import World


@pytest.fixture
def finished(world: World) -> World:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 5, "width": 128, "height": 96})
    for name, alarms in (("found", 9), ("again", 1)):
        world.node(name, "guess", inputs={"samples": "faces"}, jitter=0.02, false_alarms=alarms)
        world.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": name}, false_alarms=0.2)
    world.node("table", "table", inputs={"ap": ["ap_found", "ap_again"]})
    return world


def test_what_vanishes_is_a_share_of_the_first_row(finished: World) -> None:
    finished.done()
    paper = {"ap_again": {"alarms vanished": 95}}
    item = paper_entry("vanished", "table", rows={"ap_found": "Whole", "ap_again": "Crops"}, paper=paper)
    (table,) = vanished_result(item, FinishedRun(finished.graph(), finished.plan()), "table").tables
    before, after = (finished.rows(f"ap_{name}")[2] for name in ("found", "again"))
    whole, crops = (dict(zip(table.header, row, strict=True)) for row in table.rows)
    assert (whole[""], crops[""]) == ("Whole", "Crops")
    assert (whole["false alarms"], crops["false alarms"]) == (str(before["alarms"]), str(after["alarms"]))
    assert before["alarms"] > after["alarms"] > 0
    assert crops["alarms vanished"] == f"{100 * (1 - after['alarms'] / before['alarms']):.2f}"
    assert float(crops["faces vanished"]) == pytest.approx(100 * (1 - after["found"] / before["found"]), abs=0.005)
    assert (whole["alarms vanished"], whole["alarms vanished (paper)"]) == ("–", "–")
    assert crops["alarms vanished (paper)"] == "95"
    assert "At a score of 0.2." in table.note


def test_without_false_alarms_there_is_nothing_to_compare(finished: World) -> None:
    sets = ("ap_again.false_alarms=null",)
    finished.done(*sets)
    run = FinishedRun(finished.graph(*sets), finished.plan(*sets))
    with pytest.raises(ValueError, match="table: expected evaluations that count false alarms"):
        vanished_result(paper_entry("vanished", "table"), run, "table")
