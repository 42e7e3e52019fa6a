from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.records import Detections
from pipeline.engine.plan import context
from tests.data.wider_text import write_wider_text
from tests.stages.world import World


@pytest.fixture
def text(tmp_path: Path) -> World:
    """Boxes of a detector, the same boxes as read from text, and both evaluated."""
    world = World(tmp_path)
    faces = {"kind": "synthetic", "images": 6, "seed": 3, "width": 128, "height": 96}
    world.node("faces", "index", dataset=faces, run={"shard_rows": 6})
    world.node("guessed", "guess", inputs={"samples": "faces"}, run={"shard_rows": 2})
    world.done()
    named = (each for each in world.by_id("guessed").values())
    write_wider_text(tmp_path / "text", named, truncate=False)
    world.node(
        "read", "text_predictions", inputs={"samples": "faces"}, path=str(tmp_path / "text"), run={"shard_rows": 4}
    )
    for name in ("guessed", "read"):
        world.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": name})
    return world


def file_of(world: World, place: int) -> Path:
    return sorted((world.folder / "text").rglob("*.txt"))[place]


def key_of(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


def test_what_was_written_is_what_is_read_and_evaluated(text: World) -> None:
    text.done()
    given, read = text.by_id("guessed"), text.by_id("read")
    assert given.keys() == read.keys()
    for key, detections in read.items():
        np.testing.assert_allclose(detections.boxes, given[key].boxes, atol=1e-4)
        np.testing.assert_array_equal(detections.scores, given[key].scores)
        assert (detections.width, detections.height) == (128, 96)
    aps = [[row["ap"] for row in text.rows(node)] for node in ("ap_guessed", "ap_read")]
    assert aps[0] == aps[1]
    assert 0 < aps[0][0] < 1


def test_the_best_boxes_alone(text: World) -> None:
    text.done()
    text.done("read.max_candidates=2")
    everything, best = text.by_id("read"), text.by_id("read", "read.max_candidates=2")
    for key, detections in best.items():
        np.testing.assert_array_equal(detections.boxes, everything[key].boxes[:2])


def test_a_changed_file_is_read_again(text: World) -> None:
    text.done()
    file = file_of(text, 1)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], "1", lines[2]]) + "\n")
    text.done()
    assert {key: len(row.boxes) for key, row in text.by_id("read").items()}[key_of(file)] == 1


def test_an_image_without_a_file_is_an_error_of_its_own(text: World) -> None:
    file = file_of(text, 2)
    file.unlink()
    text.done("read.run.max_error_share=0.5")
    lost: Detections = text.by_id("read")[key_of(file)]
    assert f"no file {key_of(file)}.txt" in str(lost.error)
    assert sum(row.error is None for row in text.by_id("read").values()) == 5


def test_a_file_that_cannot_be_read_is_named(text: World) -> None:
    file = file_of(text, 0)
    file.write_text(f"{file.stem}\n1\n1 2 three 4 0.5\n")
    with pytest.raises(ValueError, match=rf"{key_of(file)}.txt:3: expected a row .* found '1 2 three 4 0.5'"):
        text.run()


def test_predictions_of_another_dataset_are_refused(text: World) -> None:
    for file in sorted((text.folder / "text").rglob("*.txt")):
        file.rename(file.with_name(f"another_{file.name}"))
    with pytest.raises(ValueError, match=r"none of 6 images has a file, the first would be test/000000\.txt"):
        text.run()


def test_text_in_another_form_is_refused_before_anything_runs(text: World) -> None:
    for file in sorted((text.folder / "text").rglob("*.txt")):
        name, count, *rows = file.read_text().splitlines()
        numbers = np.array([[float(word) for word in row.split()] for row in rows])
        numbers[:, 2:4] += numbers[:, :2]
        file.write_text("\n".join([name, count, *(" ".join(map(str, row)) for row in numbers.tolist())]) + "\n")
    with pytest.raises(
        ValueError, match=r"read: .*text: expected rows of x y w h score .* look like x1 y1 x2 y2 score"
    ):
        text.run()


@pytest.mark.parametrize(("path", "words"), [(None, "expected a folder"), ("/nowhere/at/all", "no predictions at")])
def test_a_missing_folder_is_an_error_before_anything_runs(text: World, path: str | None, words: str) -> None:
    text.nodes["read"]["path"] = path
    with pytest.raises(ValueError, match=words):
        text.run()


def test_text_that_changes_after_planning_is_refused(text: World) -> None:
    graph = text.graph()
    plans = text.plan()
    node = graph.nodes["read"]
    ctx = context(graph, "read", plans, node.stage.file_hashes(node.path))
    node.stage.open(ctx)  # type: ignore[attr-defined]
    file_of(text, 0).write_text("changed", encoding="utf-8")
    with pytest.raises(ValueError, match="text: expected the predictions that this run was planned with, found others"):
        node.stage.open(ctx)  # type: ignore[attr-defined]
