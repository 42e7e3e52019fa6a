"""The images of a section: real ones of the shared folder, else drawn ones."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.data.datasets.synthetic.dataset import Synthetic

DETECTOR = "retinaface_mobilenet"
REAL_WEIGHTS = "data/weights/retinaface_mobilenet0.25_Final.pth"


def real_images(shared: Path | None) -> list[Path]:
    """Returns the real validation images of `shared`, by name; none where there are none."""
    return sorted((shared / "data/wider_images/WIDER_val/images").glob("*/*.jpg")) if shared else []


def gather(folder: Path, number: int, shared: Path | None) -> tuple[list[Path], str]:
    """Returns the files put into `folder` in the pipeline's order, and what they are.

    Real images of `shared` are taken evenly over all events, and again under other names where there are fewer; without
    `shared` they are drawn, 1024 x 683 pixels.
    """
    if found := real_images(shared):
        chosen = evenly(found, number)
        for index in range(number):
            again, place = divmod(index, len(chosen))
            shutil.copy(chosen[place], folder / f"{again}-{chosen[place].name}")
        repeated = f" ({len(chosen)} different ones)" if number > len(chosen) else ""
        return sorted(folder.iterdir()), f"{number} real validation images{repeated}"
    drawings = Synthetic(images=number, width=1024, height=683)
    for entry in drawings.entries():
        (folder / Path(entry.path).name).write_bytes(drawings.image_bytes("", entry.path))
    return sorted(folder.iterdir()), f"{number} drawn images"


def evenly(files: Sequence[Path], number: int) -> Sequence[Path]:
    """Returns at most that many files, spread over the whole list."""
    return [files[index * len(files) // number] for index in range(number)] if number < len(files) else files
