"""From stored outputs to rows: each way of printing against what is in the store."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.breakdown import HEIGHTS
from pipeline.evaluation.paper_items import PaperItem
from pipeline.evaluation.result_table import percent
from stages.cli.finished_run import FinishedRun, PaperResult
from stages.cli.paper_results import KINDS, stated_rows
from tests.stages.cli.paper_entry import paper_entry
from tests.stages.world import World


@pytest.fixture
def finished(world: World) -> FinishedRun:
    """Two canvases' guesses, their AP in one table, and the scales of the faces."""
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 3, "width": 128, "height": 96})
    for name in ("one", "other"):
        world.node(name, "guess", inputs={"samples": "faces"}, jitter=0.1 if name == "one" else 0.3)
        world.node(f"found_{name}", "suppress", inputs={"candidates": name})
        world.node(
            f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": f"found_{name}"}, false_alarms=0.5
        )
    world.node("table", "table", inputs={"ap": ["ap_one", "ap_other"]}, paper={"ap_one": [94.6, 93.4, None, 948]})
    world.node("scales", "statistics", inputs={"samples": "faces"}, side=128)
    world.done()
    return FinishedRun(world.graph(), world.plan())


def result(finished: FinishedRun, entry: PaperItem) -> PaperResult:
    assert entry.kind and entry.node
    return KINDS[entry.kind](entry, finished, entry.node)


def test_an_ap_is_beside_the_papers_under_its_name_and_the_page_has_curves(finished: FinishedRun) -> None:
    found = result(
        finished, paper_entry("ap", "table", rows={"ap_one": "Baseline"}, paper={"ap_other": {"AP at 8K": 24.1}})
    )
    (table,) = found.tables
    stored = {row["name"]: row for row in finished.artifact("table").rows()}
    assert [row[0] for row in table.rows] == ["Baseline", "ap_other"] and "are ours" in table.note
    cells = [dict(zip(table.header, row, strict=True)) for row in table.rows]
    assert (cells[0]["easy"], cells[0]["easy (paper)"]) == (percent(stored["ap_one"]["easy"]), "94.6")
    assert cells[0]["false alarms (paper)"] == "948" and cells[1]["AP at 8K (paper)"] == "24.1"
    assert "hard (paper)" not in table.header
    assert [run.name for run in found.runs] == ["Baseline", "ap_other"]
    assert found.runs[0].ap["hard"] == stored["ap_one"]["hard"] and found.runs[0].counts["hard"].faces > 0


def test_levels_have_the_papers_ranges(finished: FinishedRun) -> None:
    found = result(finished, paper_entry("levels", "scales"))
    (table,) = found.tables
    rows = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    assert list(rows) == [f"P{level}" for level in range(2, 8)]
    assert rows["P5"]["range (paper)"] == "106.2–212.4" and rows["P2"]["best overlap"].startswith("8.0–")
    assert found.statistics is not None


def test_cumulative_shares_rise_to_everything(finished: FinishedRun) -> None:
    found = result(finished, paper_entry("cumulative", "scales"))
    (table,) = found.tables
    assert any(row[0] == "20 px (border)" for row in table.rows)
    for column in range(1, len(table.header)):
        values = [float(row[column]) for row in table.rows]
        assert values == sorted(values) and values[-1] == 100
    assert [figure.names[-1] for figure in found.figures] == ["border, 20 px"]


def test_faces_are_counted_by_height(finished: FinishedRun) -> None:
    (table,) = result(finished, paper_entry("heights", "faces")).tables
    heights = np.concatenate([np.subtract(row["y2"], row["y1"]) for row in finished.artifact("faces").rows()])
    wanted = np.histogram(heights, [*HEIGHTS, np.inf])[0]
    assert [int(row[1]) for row in table.rows] == wanted.tolist()


def test_rows_that_the_table_lacks_are_found_and_outputs_that_are_missing_named(finished: FinishedRun) -> None:
    entry = paper_entry("ap", "table", rows={"ap_two": "x"}, paper={"ap_one": {"easy": 1}, "ap_tree": {"easy": 1}})
    assert list(stated_rows(entry, finished.graph)) == ["ap_two", "ap_tree"]
    with pytest.raises(KeyError):
        finished.artifact("nowhere")
