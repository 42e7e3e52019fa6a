"""Samples and dumps, joined image by image."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.boxes.closest_face import closest_overlap
from pipeline.data.images import encode_png
from pipeline.data.labelled_candidates import LabelledCandidateReader, LabelledCandidates
from pipeline.data.records import Detections, Sample
from pipeline.data.schemas import DETECTIONS, SAMPLES
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.manifest import Artifact, Manifest, ShardEntry
from pipeline.engine.shards import encode
from pipeline.engine.stage import Resources, StageContext
from pipeline.engine.storage import Store
from stages.label_candidates import LabelCandidates
from tests.stages.world import World, drawn_image


@pytest.fixture
def two(world: World) -> World:
    """Guesses about the faces of six drawings by two nodes, in shards of different lengths."""
    world.node("images", "index", dataset={"kind": "synthetic", "images": 6, "width": 160, "height": 120})
    world.node("one", "guess", inputs={"samples": "images"}, run={"shard_rows": 4})
    world.node("other", "guess", inputs={"samples": "images"}, jitter=0.1, false_alarms=5, run={"shard_rows": 3})
    inputs = {"samples": "images", "candidates": ["one", "other"]}
    world.node("joined", "label_candidates", inputs=inputs, run={"shard_rows": 5})
    return world


def labelled(world: World, *sets: str) -> dict[str, LabelledCandidates]:
    return {row["image_id"]: LabelledCandidates.from_row(row) for row in world.rows("joined", *sets)}


def samples(world: World) -> dict[str, Sample]:
    return {row["image_id"]: Sample.from_row(row) for row in world.rows("images")}


def assert_joined(found: LabelledCandidates, sample: Sample, dumps: list[Detections], top: int = 5000) -> None:
    assert (found.path, found.width, found.height) == (sample.path, sample.width, sample.height)
    assert found.valid == tuple(min(top, len(each.scores)) for each in dumps)
    for place, dump in enumerate(dumps):
        boxes, scores, overlaps = found.of_detector(place)
        np.testing.assert_array_equal(boxes, dump.boxes[:top])
        np.testing.assert_array_equal(scores, dump.scores[:top])
        np.testing.assert_array_equal(overlaps, closest_overlap(dump.boxes[:top], sample.boxes))


@pytest.mark.parametrize("top", [5000, 4])
def test_rows_are_joined_image_by_image(two: World, top: int) -> None:
    sets = [] if top == 5000 else [f"joined.max_candidates={top}"]
    two.done(*sets)
    found, one, other, known = labelled(two, *sets), two.by_id("one"), two.by_id("other"), samples(two)
    assert list(found) == list(known)
    for name, ranking in found.items():
        assert_joined(ranking, known[name], [one[name], other[name]], top)
    overlaps = np.concatenate([each.overlaps for each in found.values()])
    assert 0 < (overlaps == 0).mean() < 1 and 0.3 < overlaps.max() <= 1


def test_rows_are_read_one_by_one(two: World) -> None:
    two.done()
    rows, wanted = LabelledCandidateReader(two.artifact("joined")), labelled(two)
    assert [rows.name(number) for number in range(len(rows))] == list(wanted)
    for number, ranking in enumerate(wanted.values()):
        np.testing.assert_array_equal(rows[number].overlaps, ranking.overlaps)
        assert rows[number].valid == ranking.valid


def test_one_dump_alone(two: World) -> None:
    two.nodes["joined"]["inputs"] = {"samples": "images", "candidates": "other"}
    two.done()
    other, known = two.by_id("other"), samples(two)
    for name, ranking in labelled(two).items():
        assert_joined(ranking, known[name], [other[name]])


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_rows_are_the_same_however_they_are_sharded(two: World, rows: int) -> None:
    two.done()
    before = pa.Table.from_pylist(two.rows("joined"), schema=LabelCandidates.output)
    two.store.delete_folder("joined")
    two.nodes["joined"]["run"] = {"shard_rows": rows}
    two.nodes["one"]["run"]["shard_rows"] = 7 - rows
    two.store.delete_folder("one")
    two.done()
    assert encode(pa.Table.from_pylist(two.rows("joined"), schema=LabelCandidates.output), 1) == encode(before, 1)


def test_a_change_of_a_dump_or_of_their_order_is_seen(two: World) -> None:
    two.done()
    two.done("other.jitter=0.2")
    assert two.computed("joined", "other.jitter=0.2") == 6
    before = two.identity("joined")
    two.nodes["joined"]["inputs"]["candidates"] = ["other", "one"]
    assert two.identity("joined") != before


def test_a_new_image_costs_its_own_row(two: World) -> None:
    added = two.photos(3) / "added.png"
    two.require_own_row("joined", lambda: added.write_bytes(encode_png(drawn_image(7))))


def test_errors_become_rows_that_name_their_node(two: World) -> None:
    two.done()
    first, second, third = list(two.by_id("one"))[:3]
    two.nodes["one"]["fails_on"], two.nodes["other"]["fails_on"] = first, second
    for name in ("one", "other", "joined"):
        two.nodes[name]["run"]["max_error_share"] = 0.9
    two.done()
    found, known = labelled(two), samples(two)
    assert found[first].error == "one: made to fail"
    assert found[second].error == "other: made to fail"
    assert found[first].valid == (0, 0) and found[first].path == known[first].path
    assert found[third].error is None
    assert len(LabelledCandidateReader(two.artifact("joined"))) == 4


def test_dumps_of_other_images_are_refused(two: World) -> None:
    two.node("more", "index", dataset={"kind": "synthetic", "images": 8, "width": 160, "height": 120})
    two.nodes["other"]["inputs"] = {"samples": "more"}
    outcome = two.run()
    message = outcome.failed.get("joined", two.plan()["joined"].reason)
    assert "2 images of other are not in images, such as" in message
    two.nodes["joined"]["inputs"] = {"samples": "more", "candidates": ["other", "one"]}
    assert "2 images of more are not in one, such as" in two.plan()["joined"].reason
    with pytest.raises(ValueError, match="nothing was started:\n  - joined: 2 images of more are not in one"):
        two.run()


def test_dumps_of_another_size_are_refused(two: World) -> None:
    """The same names, but images of another size: boxes would be beside their faces."""
    two.node("larger", "index", dataset={"kind": "synthetic", "images": 6, "width": 320, "height": 240})
    two.nodes["other"]["inputs"] = {"samples": "larger"}
    outcome = two.run()
    assert "6 of 6 rows are errors" in outcome.failed["joined"]
    assert "other: its boxes are of an image of 320 x 240, images has 160 x 120" in outcome.failed["joined"]


def artifact(folder: Path, node: str, schema: pa.Schema, shards: list[list[dict[str, object]]]) -> Artifact:
    store, entries = Store(str(folder)), []
    for number, rows in enumerate(shards):
        data = encode(pa.Table.from_pylist(rows, schema=schema))
        store.write(f"{node}/recipe/shard-{number}.parquet", data)
        entries.append(ShardEntry(f"shard-{number}", len(data), len(rows), hash_bytes(data)))
    return Artifact(store, Manifest(node, "f", "recipe", {"params": {}}, "image_id", tuple(entries)))


def context(folder: Path, images: int, boxes: int, per_shard: int = 10) -> StageContext:
    """Samples and three dumps of drawn numbers, in shards of three lengths."""
    rng = np.random.default_rng(0)

    def sharded(rows: list[dict[str, object]], length: int) -> list[list[dict[str, object]]]:
        return [rows[start : start + length] for start in range(0, len(rows), length)]

    def some(count: int) -> np.ndarray:
        corner = rng.uniform(0, 500, (count, 2))
        return np.concatenate([corner, corner + rng.uniform(5, 80, (count, 2))], axis=1).astype(np.float32)

    names = [f"i{number:06d}" for number in range(images)]
    faces = [Sample(name, f"{name}.jpg", "", 600, 600, some(5)).to_row() for name in names]
    dumps = []
    for node, length in (("a", per_shard), ("b", 2 * per_shard), ("c", per_shard // 2)):
        scores = np.sort(rng.random((images, boxes)).astype(np.float32))[:, ::-1]
        marks = np.zeros((boxes, 5, 2), np.float32)
        rows = [Detections(n, 600, 600, some(boxes), s, marks).to_row() for n, s in zip(names, scores, strict=True)]
        dumps.append(artifact(folder, node, DETECTIONS, sharded(rows, length)))
    inputs = {"samples": (artifact(folder, "images", SAMPLES, sharded(faces, per_shard)),), "candidates": tuple(dumps)}
    return StageContext("joined", None, Resources(), inputs)


def peak_of(rows: Iterator[object]) -> int:
    """Largest number of bytes of Arrow and of Python and NumPy together while rows are made and thrown away."""
    gc.freeze()  # what is there already need not be looked through again and again
    base, peak = pa.total_allocated_bytes(), 0
    tracemalloc.start()
    for number, _ in enumerate(rows):
        if number % 10 == 0:
            gc.collect()  # pyarrow's tables leave some rings of Python objects behind
        peak = max(peak, pa.total_allocated_bytes() - base + tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    gc.unfreeze()
    return peak


def test_memory_does_not_grow_with_the_set(tmp_path: Path) -> None:
    """Only what a worker holds: the list of items, a few hundred bytes each, belongs to the plan."""
    peaks = []
    for images in (20, 100):
        ctx = context(tmp_path / str(images), images, boxes=300)
        stage = LabelCandidates()
        items = list(stage.items(ctx))
        peaks.append(peak_of(stage.open(ctx)(items)))
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[0] > 35 * 300 * 20  # three shards of 10, 20 and 5 rows were there


def test_numbers_that_are_none_are_an_error_row(tmp_path: Path) -> None:
    """No dump of this project has them; a foreign one may."""
    ctx = context(tmp_path, 3, boxes=4)
    dump = ctx.inputs["candidates"][0]
    rows = [dict(row) for row in dump.rows()]
    rows[1]["score"] = [float("nan"), 0.5, 0.4, 0.3]
    rows[2]["score"] = [0.1, 0.2, 0.4, 0.3]
    bad = artifact(tmp_path / "bad", "bad", DETECTIONS, [rows])
    ctx = StageContext("joined", None, Resources(), {**ctx.inputs, "candidates": (bad, *ctx.inputs["candidates"][1:])})
    stage = LabelCandidates()
    found = list(stage.open(ctx)(stage.items(ctx)))
    assert found[0]["error"] is None and found[0]["valid"] == [4, 4, 4]
    assert found[1]["error"] == "bad: i000001: boxes and scores must be finite"
    assert "bad: i000002: scores must never rise" in found[2]["error"]


def test_a_sample_that_cannot_be_used_is_an_error_row(tmp_path: Path) -> None:
    ctx = context(tmp_path, 2, boxes=4)
    gone = [Sample("i000000", "x.jpg", "", 0, 0, error="cut off").to_row(), *list(ctx.one("samples").rows())[1:]]
    bad = artifact(tmp_path / "bad", "faces", SAMPLES, [gone])
    ctx = StageContext("joined", None, Resources(), {**ctx.inputs, "samples": (bad,)})
    stage = LabelCandidates()
    found = list(stage.open(ctx)(stage.items(ctx)))
    assert (found[0]["error"], found[0]["path"], found[0]["valid"]) == ("faces: cut off", "x.jpg", [0, 0, 0])
    assert found[1]["error"] is None
