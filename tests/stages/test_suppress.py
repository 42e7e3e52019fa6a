from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.boxes.frame import MOGFACE, Frame
from pipeline.data.images import encode_png
from pipeline.data.records import Detections, ScoredBoxes
from pipeline.data.schemas import DETECTIONS
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.manifest import Artifact, Manifest, ShardEntry
from pipeline.engine.plan import Decision
from pipeline.engine.shards import encode
from pipeline.engine.stage import Item, Resources, StageContext
from pipeline.engine.storage import Store
from pipeline.inference.postprocess import detections
from stages.suppress import Suppress
from tests.stages.world import World, drawn_image


def slowly(found: Detections, score: float, iou: float) -> list[int]:
    """Rows that survive, box against box: one pixel more on every side length, an equal overlap survives."""
    kept: list[int] = []
    boxes = found.boxes.astype(np.float64)
    for row in range(len(boxes)):
        if found.scores[row] > np.float32(score) and all(_overlap(boxes[row], boxes[k]) <= iou for k in kept):
            kept.append(row)
    return kept


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + 1)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + 1)
    areas = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return width * height / (areas[0] + areas[1] - width * height)


@pytest.fixture
def candidates(world: World, weights: str) -> World:
    """Four images, one of them broken, and 150 candidates of each in shards of three."""
    lenient = {"max_error_share": 0.5, "shard_rows": 3}
    world.dump_of_photos(weights, 150, lenient)
    world.node("found", "suppress", inputs={"candidates": "boxes"}, run=lenient)
    return world


def test_it_keeps_what_a_slow_reference_keeps(candidates: World) -> None:
    candidates.done("found.score=0.4")
    given, kept = candidates.by_id("boxes"), candidates.by_id("found", "found.score=0.4")
    assert list(kept) == list(given)
    for name in ("0.png", "1.png", "2.png"):
        before, after = given[name], kept[name]
        rows = slowly(before, 0.4, 0.4)
        assert 0 < len(rows) < len(before.boxes)
        np.testing.assert_array_equal(after.boxes, before.boxes[rows])
        np.testing.assert_array_equal(after.scores, before.scores[rows])
        np.testing.assert_array_equal(after.landmarks, before.landmarks[rows])
        assert (after.width, after.height) == (96, 64)


def test_overlap_and_limit_are_parameters(candidates: World) -> None:
    loose, few = "found.iou=1.0", "found.max_detections=5"
    for sets in ((), (loose,), (few,)):
        candidates.done(*sets)
    given = candidates.by_id("boxes")["1.png"]
    default, everything, five = (candidates.by_id("found", *sets)["1.png"] for sets in ((), (loose,), (few,)))
    assert len(everything.boxes) == int((given.scores > np.float32(0.02)).sum())
    assert len(default.boxes) < len(everything.boxes)
    np.testing.assert_array_equal(five.boxes, default.boxes[:5])


def test_the_score_cut_is_strict(candidates: World) -> None:
    candidates.done()
    given = candidates.by_id("boxes")["2.png"]
    exactly = float(given.scores[40])
    sets = (f"found.score={exactly!r}", "found.iou=1.0")
    candidates.done(*sets)
    assert len(candidates.by_id("found", *sets)["2.png"].boxes) == int((given.scores > given.scores[40]).sum())


def test_errors_stay_errors(candidates: World) -> None:
    candidates.done()
    broken = candidates.by_id("found")["broken.jpg"]
    assert broken.error == candidates.by_id("boxes")["broken.jpg"].error
    assert "not an image" in str(broken.error)
    assert len(broken.boxes) == 0
    assert [key for key, _ in candidates.artifact("found").manifest.errors] == ["broken.jpg"]


def test_a_new_candidate_row_costs_one_row_here(candidates: World) -> None:
    candidates.done()
    (candidates.folder / "photos" / "3.png").write_bytes(encode_png(drawn_image(7)))
    candidates.done()
    assert candidates.computed("boxes") == candidates.computed("found") == 1
    assert len(candidates.rows("found")) == 5


def test_other_candidates_are_suppressed_anew(candidates: World) -> None:
    candidates.done()
    candidates.done("boxes.max_candidates=20")
    assert candidates.computed("found", "boxes.max_candidates=20") == 4
    assert max(len(each.boxes) for each in candidates.by_id("found", "boxes.max_candidates=20").values()) <= 20


def test_one_shard_at_a_time_is_held(candidates: World, tmp_path: Path) -> None:
    """Suppression reads rows by the shard they lie in, whatever its own shards are."""
    candidates.done()
    rows = candidates.rows("found")
    candidates.nodes["found"]["run"]["shard_rows"] = 100
    assert candidates.plan()["found"].decision is Decision.REUSE
    candidates.done(force=frozenset({"found"}))
    assert candidates.rows("found") == rows


def test_mogfaces_post_processing_is_a_choice_of_parameters(candidates: World) -> None:
    sets = (
        "found.score=0.01",
        "found.max_before_nms=90",
        "found.iou=0.6",
        "found.max_detections=12",
        "found.convention=mogface",
    )
    candidates.done(*sets)
    given = candidates.by_id("boxes")["1.png"]
    expected = detections(
        ScoredBoxes(given.boxes, given.scores),
        score=0.01,
        max_before_nms=90,
        iou=0.6,
        max_detections=12,
        convention=MOGFACE,
    )
    found = candidates.by_id("found", *sets)["1.png"]
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    assert len(found.boxes) >= 12


def test_the_convention_reaches_the_stage(tmp_path: Path) -> None:
    """Two boxes of 7 x 1 pixels, four of ten shared, and one apart; all scores alike."""
    boxes = np.array([[0, 0, 7, 1], [3, 0, 10, 1], [50, 50, 60, 60]], np.float32)
    ctx = holding(Detections("a", 90, 90, boxes, np.ones(3, np.float32)), tmp_path)
    for fields, left in (
        ({}, 2),  # 5 x 2 of 11 x 2: a pixel more on every side
        ({"convention": "plain"}, 3),
        ({"convention": "mogface"}, 2),
        ({"convention": "mogface", "iou": 0.41}, 3),
        ({"convention": "plain", "max_detections": 1}, 1),
        ({"convention": "mogface", "max_detections": 1}, 2),
        ({"max_before_nms": 1}, 1),
    ):
        stage = Suppress(**fields)
        (row,) = stage.open(ctx)([Item("a", "version", {"shard": "s"})])
        assert len(row["score"]) == left, fields


@pytest.mark.wider
@pytest.mark.parametrize("case", range(3))
def test_published_suppression_of_mogface(shared: Path, tmp_path: Path, case: int) -> None:
    """A dump is continuous, x2 = x1 + width; the published boxes are last pixels."""
    vectors = np.load(shared / "reference/mogface/boxes.npz")
    rows = vectors[f"nms{case}_dets"]
    order = np.argsort(-rows[:, 4], kind="stable")
    wide = ScoredBoxes(rows[order, :4], rows[order, 4], frame=Frame.INCLUSIVE).to(Frame.CONTINUOUS)
    ctx = holding(Detections("a", 900, 900, wide.boxes, wide.scores.astype(np.float32)), tmp_path)
    stage = Suppress(score=0, iou=float(vectors[f"nms{case}_thresh"]), convention="mogface")
    (row,) = stage.open(ctx)([Item("a", "version", {"shard": "s"})])
    wanted = rows[vectors[f"nms{case}_keep"], 4].astype(np.float32)
    np.testing.assert_array_equal(row["score"], np.sort(wanted)[::-1])


def holding(found: Detections, folder: Path) -> StageContext:
    """A context whose only input is one shard with one row."""
    table = pa.Table.from_pylist([found.to_row()], schema=DETECTIONS)
    (folder / "boxes" / "recipe").mkdir(parents=True)
    data = encode(table)
    (folder / "boxes" / "recipe" / "s.parquet").write_bytes(data)
    manifest = Manifest("boxes", "f", "recipe", {}, "image_id", (ShardEntry("s", len(data), 1, hash_bytes(data)),))
    return StageContext("found", None, Resources(), {"candidates": (Artifact(Store(str(folder)), manifest),)})
