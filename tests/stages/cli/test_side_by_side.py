"""Images under several rows: which ones, in what order, and with what counts."""

from __future__ import annotations

from pipeline.data.records import Sample
from pipeline.evaluation.hits_and_misses import match_image
from stages.cli.finished_run import FinishedRun
from stages.cli.side_by_side import IMAGES, gallery_result
from tests.stages.cli.paper_entry import paper_entry
from tests.stages.world import World


def test_images_on_which_the_last_row_is_better_come_first_once_per_row(world: World) -> None:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 7, "width": 128, "height": 96})
    for name, jitter in (("worse", 0.6), ("better", 0.02)):
        world.node(name, "guess", inputs={"samples": "faces"}, jitter=jitter)
        world.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": name})
    world.node("table", "table", inputs={"ap": ["ap_worse", "ap_better"]})
    world.done()
    item = paper_entry("gallery", "table", rows={"ap_worse": "Worse", "ap_better": "Better"})
    found = gallery_result(item, FinishedRun(world.graph(), world.plan()), "table")
    (table,) = found.tables
    assert list(table.header) == ["", "Worse", "Better"] and len(table.rows) == IMAGES
    assert [each.matches.image_id.partition(": ")[0] for each in found.gallery] == ["Worse", "Better"] * IMAGES
    assert [each.matches.image_id.partition(": ")[2] for each in found.gallery[::2]] == [row[0] for row in table.rows]
    # As many boxes as there are hard faces are shown of the whole set.
    samples = {row["image_id"]: Sample.from_row(row) for row in world.rows("faces")}
    faces = sum(int(each.levels["hard"].sum()) for each in samples.values())
    rows = world.by_id("worse")
    least = sorted((float(score) for each in rows.values() for score in each.scores), reverse=True)[faces - 1]
    changes = []
    for each in samples:
        one, other = (match_image(samples[each], world.by_id(name)[each], least) for name in ("worse", "better"))
        changes.append((other.mistakes - one.mistakes, each))
    assert [row[0] for row in table.rows] == [each for _, each in sorted(changes)[:IMAGES]]
    assert found.gallery[0].jpeg.startswith(b"\xff\xd8")
