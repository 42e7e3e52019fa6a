from __future__ import annotations

from typing import Any

import pytest

from stages.report_sources import MOST_METRICS, MOST_POINTS, logged_trainings, source_of, timing_of
from tests.stages.world import World

TINY = {"steps": 3, "batch": 1, "images": 2, "crop": 64, "warmup": 1}


@pytest.fixture
def trained(world: World) -> World:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 3, "width": 160, "height": 120})
    world.node("detector", "train_detector", inputs={"samples": "faces"}, recipe=TINY)
    world.done()
    return world


def test_the_log_of_a_training_is_drawn(trained: World) -> None:
    detector = trained.artifact("detector")
    found = logged_trainings([detector, None, detector])
    assert len(found.losses["detector"]) == 3
    assert 0 < len(found.metrics) <= MOST_METRICS
    assert "loss/total" not in found.metrics and not {"step", "bad_images"} & found.metrics.keys()
    steps = [step for step, _ in found.metrics["gradient_norm"]["detector"]]
    assert steps == [1, 2, 3]
    first = next(iter(found.metrics))
    assert "/" in first  # parts of the loss, or held-out figures, before counts


def test_long_lines_are_thinned_and_still_numbers_left_out() -> None:
    lines = b"".join(b'{"step": %d, "rate": %d, "constant": 1}\n' % (step, step) for step in range(1, 2001))

    class Stored:
        node = "a"

        def rows(self, _: Any) -> Any:
            return iter([{"loss": [1.0], "log": lines}])

    found = logged_trainings([Stored()])  # type: ignore[list-item]
    assert list(found.metrics) == ["rate"]
    assert len(found.metrics["rate"]["a"]) <= MOST_POINTS


def test_times_and_provenance_of_an_output(trained: World) -> None:
    faces = trained.artifact("faces")
    timing, source = timing_of(faces), source_of(faces)
    assert (timing.stage, timing.images) == ("faces", 3)
    assert timing.work == faces.manifest.run["seconds"]
    lines = dict(source.lines)
    assert source.fingerprint == faces.manifest.fingerprint
    assert lines["stage"].startswith("index ") and lines["rows"] == "3"
    assert '"images": 3' in lines["dataset"] and "numpy" in lines["versions"]
