"""The labels of the validation set and the published predictions, each read once in a test process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth, load_ground_truth
from pipeline.data.datasets.wider_face.predictions import WiderText, read_wider_text


@cache
def truth_of(shared: Path) -> WiderGroundTruth:
    return load_ground_truth(shared / "data/wider_val_gt")


@cache
def published(shared: Path, name: str) -> WiderText:
    folders = (shared / "data/predictions", shared / "reference/wider_eval/predictions")
    (file,) = (folder / f"{name}.tar.gz" for folder in folders if (folder / f"{name}.tar.gz").exists())
    return read_wider_text(file, truth_of(shared).image_ids)
