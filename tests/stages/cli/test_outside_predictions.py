"""Predictions of others beside a finished table: the same figures as where they are a node of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.records import Detections
from pipeline.data.schemas import LEVELS
from stages.cli.finished_run import FinishedRun
from stages.cli.outside_predictions import named_files, outside_rows
from stages.cli.paper_results import ap_result
from tests.stages.cli.paper_entry import paper_entry
from tests.stages.world import World


@pytest.fixture
def finished(world: World) -> World:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 4, "width": 128, "height": 96})
    for name, jitter in (("one", 0.1), ("other", 0.3)):
        world.node(name, "guess", inputs={"samples": "faces"}, jitter=jitter)
        world.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": name}, false_alarms=0.5)
    world.node("table", "table", inputs={"ap": ["ap_one", "ap_other"]})
    world.done()
    return world


def text_of(found: dict[str, Detections], folder: Path) -> Path:
    """Writes detections as text of the benchmark, every digit of them."""
    for name, each in found.items():
        rows = [
            f"{x1!r} {y1!r} {x2 - x1!r} {y2 - y1!r} {score!r}"
            for (x1, y1, x2, y2), score in zip(each.boxes.tolist(), each.scores.tolist(), strict=True)
        ]
        file = folder / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([name, str(len(rows)), *rows, ""]))
    return folder


def test_figures_are_those_of_the_same_boxes_within_the_run(finished: World, tmp_path: Path) -> None:
    files = {"Published": text_of(finished.by_id("other"), tmp_path / "text")}
    run = FinishedRun(finished.graph(), finished.plan(), files)
    ((row, result),) = outside_rows(run, "table", files)
    own = {each["subset"]: each for each in finished.rows("ap_other")}
    assert {level: row.ap[level] for level in LEVELS} == {level: own[level]["ap"] for level in LEVELS}
    recall = own["hard"]["found"] / own["hard"]["faces"]
    assert row.metrics == {"alarm_score": 0.5, "alarms": own["hard"]["alarms"], "recall": recall}
    assert result.counts["hard"].matches.tolist() == own["hard"]["matches"]
    found = ap_result(paper_entry("ap", "table", only_paper={"Theirs": {"hard": 92.7}}), run, "table")
    (table,) = found.tables
    cells = {line[0]: dict(zip(table.header, line, strict=True)) for line in table.rows}
    assert list(cells) == ["ap_one", "ap_other", "Published", "Theirs"]
    assert {name: cells["Published"][name] for name in LEVELS} == {name: cells["ap_other"][name] for name in LEVELS}
    assert (cells["Theirs"]["hard"], cells["Theirs"]["hard (paper)"]) == ("–", "92.7")
    assert (len(found.runs), found.runs[-1].name) == (3, "Published")


def test_names_and_files_are_checked(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("no box\n")
    a = tmp_path / "a.csv"
    a.write_text("image,x1,y1,x2,y2,score\n0--Parade/0_Parade_0.jpg,1,2,3,4,0.5\n")
    assert named_files([f"a={a}"]) == {"a": a}
    for given, problem in (
        (["a"], "--beside a: expected NAME=FILE"),
        ([f"a={tmp_path}/b.txt"], "expected predictions, found no file"),
        ([f"a={a}", f"a={a}"], "a comes twice"),
        ([f"a={tmp_path}/c.txt"], "c.txt: expected predictions as "),
    ):
        with pytest.raises(ValueError, match=problem):
            named_files(given)


def test_predictions_of_other_images_are_refused_by_name(finished: World, tmp_path: Path) -> None:
    wrong = {f"0--Parade/{place}": each for place, each in enumerate(finished.by_id("one").values())}
    files = {"Published": text_of(wrong, tmp_path / "text")}
    with pytest.raises(ValueError, match="text"):
        outside_rows(FinishedRun(finished.graph(), finished.plan(), files), "table", files)
