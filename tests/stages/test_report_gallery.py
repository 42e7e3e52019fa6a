from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.records import Detections
from stages.report_gallery import _Run, _view, shown_runs
from tests.evaluation.page_data import run_of
from tests.stages.world import World

DATA = {"kind": "synthetic", "images": 6, "width": 160, "height": 120}


def _shown(world: World) -> dict[str, Any]:
    found = re.search(r'id="gallery-data">(.*?)</script>', Path(world.store.path("page.html")).read_text())
    assert found is not None
    marks: dict[str, Any] = json.loads(found[1])
    return marks


def _scored(*scores: float) -> _Run:
    return _Run("a", {}, np.array(scores, np.float32))


def test_another_run_begins_where_it_has_as_many_detections() -> None:
    run = _scored(2.5, 2.0, 1.5, 1.0, 0.5, 0.25, -1.0)
    assert _view(run, None, 3).score == 1.5
    assert (_view(run, None, 2).low, _view(run, None, 2).high) == (-1.0, 2.5)
    assert _view(run, None, 100).score == -1.0
    assert _view(run, 0.5, 2).score == 0.5


def test_of_many_runs_the_first_and_the_best_of_every_way_are_shown() -> None:
    one, union = {"edge": 1024.0, "way": "as detected"}, {"canvas": "1024 + 2048"}
    runs = [
        *(replace(run_of(f"single_{n}", 0.5 + n / 100), **one) for n in range(5)),
        replace(run_of("voted", 0.6), **union, way="as detected"),
        replace(run_of("multi", 0.7), canvas="crface_multi", way="as detected"),
        *(replace(run_of(f"rank_{n}", 0.8 - n / 100), **union, way="re-ranked") for n in range(3)),
        replace(run_of("best", 0.9), **one | {"way": "best order"}, ceiling=True),
    ]
    names = [runs[place].name for place in shown_runs(runs, "hard")]
    assert names == ["single_0", "single_4", "voted", "multi", "rank_0", "best"]
    assert shown_runs(runs[:6], "hard") == list(range(6)) and shown_runs([], "hard") == []
    unknown = [replace(run_of(str(n), float("nan")), **one) for n in range(8)]
    assert shown_runs(unknown, "hard") == list(range(6))


@pytest.mark.parametrize("run", [_scored(), _scored(0.3)])
def test_a_run_with_few_detections_has_its_ends_in_order(run: _Run) -> None:
    for score in (None, 0.5):
        view = _view(run, score, 0)
        assert view.low <= view.score <= view.high


def test_every_run_is_shown_in_the_same_photographs(world: World) -> None:
    world.node("faces", "index", dataset=DATA)
    for name, jitter in (("rough", 0.3), ("fine", 0.05)):
        world.node(name, "guess", inputs={"samples": "faces"}, jitter=jitter)
        world.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": name})
    world.node("page", "report", inputs={"samples": "faces", "ap": ["ap_rough", "ap_fine"]}, gallery=2)
    world.done()
    shown = _shown(world)
    assert [view["name"] for view in shown["views"]] == ["rough", "fine"]
    assert len(shown["images"]) == 2
    at_first = [sum(_above(each, place, view) for each in shown["images"]) for place, view in enumerate(shown["views"])]
    assert min(at_first) > 0
    hits = [
        sum(score is not None for image in shown["images"] for score in image["runs"][place]["found"])
        for place in range(2)
    ]
    assert hits[1] >= hits[0]


def test_an_image_that_one_run_lacks_is_empty_there(world: World) -> None:
    world.node("faces", "index", dataset=DATA)
    world.node("all", "guess", inputs={"samples": "faces"})
    world.node("some", "guess", inputs={"samples": "faces"}, fails_on="test/000001", run={"max_error_share": 0.5})
    for name in ("all", "some"):
        world.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": name})
    world.node("page", "report", inputs={"samples": "faces", "ap": ["ap_all", "ap_some"]}, gallery=6)
    world.done()
    assert sum(image["runs"][1] is None for image in _shown(world)["images"]) == 1


def _above(image: dict[str, Any], place: int, view: dict[str, Any]) -> int:
    return sum(score >= view["score"] for score in image["runs"][place]["boxes"][4::6])


def test_detections_have_no_kind_without_labels(world: World) -> None:
    world.node("faces", "index", dataset=DATA)
    world.node("guesses", "guess", inputs={"samples": "faces"})
    world.node("page", "report", inputs={"samples": "faces", "detections": "guesses"}, gallery=3, score=0.2)
    world.done()
    images = _shown(world)["images"]
    assert all(set(image["runs"][0]["boxes"][5::6]) == {0} for image in images)
    assert [image["faces"] for image in images] == [[]] * 3
    found: dict[str, Detections] = world.by_id("guesses")
    most = sorted(((each.scores >= 0.2).sum() for each in found.values()), reverse=True)
    assert _above(images[0], 0, {"score": 0.2}) == most[0]
