"""Canvases composed of other images go through the pipeline like any image, and nothing of them is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import encode_jpeg
from tests.stages.world import World, drawn_image

SMALL = {"kind": "mosaic", "images": 4, "width": 192, "height": 128, "smallest": 8, "largest": 120, "finest": 32}


@pytest.fixture
def photos(world: World) -> Path:
    """Five images of WIDER FACE training's layout, and a list that leaves two of them out."""
    root = world.folder / "wider"
    (root / "WIDER_train/images/0--A").mkdir(parents=True)
    lines = ""
    for seed in range(5):
        name = f"0--A/{seed}.jpg"
        (root / "WIDER_train/images" / name).write_bytes(encode_jpeg(drawn_image(seed, 160, 120)))
        lines += f"{name}\n2\n20 30 30 40 0 0 0 0 0 0 \n90 20 24 30 0 0 0 0 0 0 \n"
    (root / "wider_face_train_bbx_gt.txt").write_text(lines)
    (root / "some.txt").write_text("0--A/0.jpg\n0--A/2.jpg\n0--A/3.jpg\n")
    return root


@pytest.fixture
def seen(world: World, weights: str) -> World:
    world.node("faces", "index", dataset={**SMALL, "of": {"kind": "synthetic", "images": 9}}, run={"shard_rows": 3})
    wired = {"samples": "faces"}
    world.node(
        "boxes", "predict", inputs=wired, path=weights, canvas="original", max_candidates=80, run={"shard_rows": 3}
    )
    return world


def test_canvases_are_seen_at_their_own_size(seen: World) -> None:
    seen.node("best", "oracle", inputs={"samples": "faces", "candidates": "boxes"})
    seen.node("ap", "evaluate", inputs={"samples": "faces", "detections": "best"})
    seen.done()
    rows = seen.by_id("boxes")
    assert list(rows) == [f"mosaic/{index:06d}" for index in range(4)]
    assert {(row.width, row.height, len(row.boxes), row.error) for row in rows.values()} == {(192, 128, 80, None)}
    assert seen.rows("ap")[2]["faces"] > 4


def test_more_canvases_cost_only_themselves(seen: World) -> None:
    seen.done()
    seen.done("faces.dataset.images=6")
    assert seen.computed("boxes", "faces.dataset.images=6") == 2


def test_no_image_is_kept(seen: World) -> None:
    seen.done()
    stored = [file for file in Path(seen.store.path("")).rglob("*") if file.is_file()]
    assert max(file.stat().st_size for file in stored) < 20_000


def test_a_list_of_images_is_kept_to_and_is_no_part_of_the_identity(seen: World, photos: Path) -> None:
    of = {"kind": "wider_face", "split": "train", "only": "some.txt"}
    seen.nodes["faces"].update(dataset={**SMALL, "of": of}, path=str(photos))
    seen.done()
    assert all(row.error is None and len(row.boxes) == 80 for row in seen.by_id("boxes").values())
    used = " ".join(row["path"] for row in seen.rows("faces"))
    assert "0--A/0.jpg" in used
    assert "0--A/1.jpg" not in used and "0--A/4.jpg" not in used
    before = seen.by_id("boxes")
    (photos / "some.txt").rename(photos / "others.txt")
    seen.nodes["faces"]["dataset"]["of"] = {**of, "only": "others.txt"}
    assert seen.done().computed == []
    for image_id, row in seen.by_id("boxes").items():
        np.testing.assert_array_equal(row.boxes, before[image_id].boxes)
