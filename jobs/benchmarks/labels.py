"""Listing labelled images from every form of labels: seconds, peak memory, and how both grow with the images."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from jobs.benchmarks.planning import growth
from jobs.benchmarks.prerequisites import in_new_process
from jobs.benchmarks.results import Measured, Section
from pipeline.data.datasets import DATASETS
from pipeline.data.datasets.labels.forms import FORMS, LABELLED
from pipeline.data.datasets.labels.label_table import EVERY, LabelTable, LabelTableBuilder
from pipeline.data.images import encode_png
from pipeline.engine.shards import peak_memory_mb

FACES: Final = 5
"""Of an image."""
_WIDTH, _HEIGHT = 1024, 768
_FOLDER: Final = 1000  # images of a folder
_LINKS: Final = 10_000  # of one file: some file systems have 65,000 at most


@dataclass(frozen=True, slots=True)
class Listed:
    """What listing takes: seconds of a clock and of the processor, and the largest memory; ``before_mb`` before it."""

    images: int
    seconds: float
    cpu_seconds: float
    peak_mb: int
    before_mb: int


def labels_section(sizes: Sequence[int]) -> Section:
    """Returns the costs of listing so many images each from labels of every form, each in a process of its own."""
    found: dict[str, dict[int, Listed]] = {name: {} for name in LABELLED}
    for images in sizes:
        with tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as folder:
            in_new_process(write_images, Path(folder), images)
            for name in LABELLED:
                root = Path(folder) / name
                in_new_process(write_labels, name, root, images)
                os.rename(Path(folder) / "images", root / "images")
                found[name][images] = in_new_process(list_images, name, root)
                os.rename(root / "images", Path(folder) / "images")
    rows = []
    for name, costs in found.items():
        for images, listed in costs.items():
            rows.append(Measured(f"{FORMS[name].words}, {images:,} images, s", listed.seconds))
            rows.append(Measured(f"{FORMS[name].words}, {images:,} images, s of one core", listed.cpu_seconds))
            rows.append(Measured(f"{FORMS[name].words}, {images:,} images, MB: peak", listed.peak_mb))
        if len(costs) > 1:
            exponent = growth({images: listed.cpu_seconds for images, listed in costs.items()})
            rows.append(Measured(f"{FORMS[name].words}, exponent of the seconds of one core", exponent))
    before = max(listed.before_mb for costs in found.values() for listed in costs.values())
    note = (
        f"{FACES} faces an image; libraries included, which are {before} MB; one process a figure, no image is opened"
    )
    return Section("labels", rows, [note])


def write_images(folder: Path, images: int) -> None:
    """Writes so many images below ``folder/images``, links to a few small files."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    for number, name in enumerate(_names(images)):
        file = folder / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if number % _LINKS == 0:
            source = file
            source.write_bytes(encode_png(pixels))
        else:
            os.link(source, file)


def write_labels(name: str, root: Path, images: int) -> None:
    """Writes labels of one form for these images."""
    root.mkdir()
    write = FORMS[name].write
    assert write is not None
    write(synthetic_labels(images), root)


def synthetic_labels(images: int) -> LabelTable:
    """Returns `FACES` boxes at whole pixels for each image."""
    builder, rng = LabelTableBuilder(), np.random.default_rng(0)
    for name in _names(images):
        place = builder.image(name, (_WIDTH, _HEIGHT))
        corners = rng.integers(0, (900, 650), (FACES, 2))
        for box in np.concatenate([corners, corners + rng.integers(10, 100, (FACES, 2))], axis=1).tolist():
            builder.face(place, box, "face")
    return builder.build(Path("synthetic"), EVERY)


def list_images(name: str, root: Path) -> Listed:
    """Returns what listing the images of a folder takes, as a plan does it."""
    dataset, before = DATASETS[name](), peak_memory_mb()
    begun, worked = time.monotonic(), time.process_time()
    entries = dataset.entries(str(root))
    seconds = time.monotonic() - begun, time.process_time() - worked
    return Listed(len(entries), *seconds, peak_memory_mb(), before)


def _names(images: int) -> list[str]:
    return [f"{number // _FOLDER:04d}/{number:07d}.png" for number in range(images)]
