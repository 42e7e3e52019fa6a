from __future__ import annotations

import numpy as np

from pipeline.evaluation.result_table import percent
from stages.cli.finished_run import FinishedRun
from stages.cli.score_distribution import KINDS, SCORE_BINS, scores_result
from tests.stages.cli.paper_entry import paper_entry
from tests.stages.world import World


def slow_counts(world: World, node: str) -> np.ndarray:
    """Box by box and face by face; sides with one pixel added."""
    faces = {
        row["image_id"]: list(zip(row["x1"], row["y1"], row["x2"], row["y2"], strict=True))
        for row in world.rows("faces")
    }
    counts = np.zeros((2, SCORE_BINS), int)
    for row in world.rows(node):
        for x1, y1, x2, y2, score in zip(row["x1"], row["y1"], row["x2"], row["y2"], row["score"], strict=True):
            best = 0.0
            for a1, b1, a2, b2 in faces[row["image_id"]]:
                wide, high = min(x2, a2) - max(x1, a1) + 1, min(y2, b2) - max(y1, b1) + 1
                inside = max(0, wide) * max(0, high)
                both = (x2 - x1 + 1) * (y2 - y1 + 1) + (a2 - a1 + 1) * (b2 - b1 + 1)
                best = max(best, inside / (both - inside))
            counts[0 if best >= 0.5 else 1, min(int(min(max(score, 0), 1) * SCORE_BINS), SCORE_BINS - 1)] += 1
    return counts


def test_boxes_on_faces_and_on_none_are_counted_apart(world: World) -> None:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 4, "width": 128, "height": 96})
    for name, jitter in (("one", 0.1), ("other", 0.3)):
        world.node(f"found_{name}", "guess", inputs={"samples": "faces"}, jitter=jitter)
        world.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": f"found_{name}"})
    world.node("table", "table", inputs={"ap": ["ap_one", "ap_other"]})
    world.done()
    entry = paper_entry("scores", "table", rows={"ap_one": "Plain"})
    found = scores_result(entry, FinishedRun(world.graph(), world.plan()), "table")
    (table,) = found.tables
    names = [f"{name}, {kind}" for name in ("Plain", "ap_other") for kind in KINDS]
    assert list(table.header[1:]) == names and len(table.rows) == SCORE_BINS
    columns = [*slow_counts(world, "found_one"), *slow_counts(world, "found_other")]
    assert all(column.sum() for column in columns)
    for place, column in enumerate(columns, start=1):
        wanted = [percent(float(share)) for share in column / column.sum()]
        assert [row[place] for row in table.rows] == wanted
    assert [figure.title for figure in found.figures] == ["Scores of boxes on faces", "Scores of boxes on none"]
    assert [figure.names for figure in found.figures] == [["Plain", "ap_other"]] * 2
