"""Three drawn photographs in a folder, and a detector's candidates of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.data.images import encode_png
from pipeline.data.records import Detections
from pipeline.engine.plan import context
from stages.predict import Predict
from tests.stages.world import World, drawn_image

STANDARD = "retinaface_mobilenet0.25_Final.pth"
ONE_MEGABYTE = "facedetector1mb_mobilenet0.25_Final.pth"


def write_photos(folder: Path) -> Path:
    """Writes `0.png` to `2.png` of 96 x 64 px into a new folder and returns it."""
    photos = folder / "photos"
    photos.mkdir()
    for seed in range(3):
        (photos / f"{seed}.png").write_bytes(encode_png(drawn_image(seed)))
    return photos


def wire(world: World, photos: Path | str, weights: str, **fields: object) -> None:
    """Adds nodes `images` over a folder and `boxes`, 100 candidates of each unless the fields say otherwise."""
    world.node("images", "index", dataset="image_folder", path=str(photos), run={"max_error_share": 0.9})
    world.node(
        "boxes",
        "predict",
        **{"inputs": {"samples": "images"}, "path": weights, "canvas": "original", "max_candidates": 100, **fields},
    )


def boxes(world: World, *sets: str) -> dict[str, Detections]:
    """Returns image -> the rows of node `boxes`."""
    return world.by_id("boxes", *sets)


def worker(world: World, file_hashes: Mapping[str, str] | None = None) -> Callable[[], list[Detections]]:
    """Returns what opens the stage of node `boxes` and computes all its rows, planned now."""
    plans = world.plan()
    ctx = context(world.graph(), "boxes", plans, file_hashes or {})
    stage, items = plans["boxes"].node.stage, world.items("boxes")
    assert isinstance(stage, Predict)
    assert items
    return lambda: [Detections.from_row(row) for row in stage.open(ctx)(items)]
