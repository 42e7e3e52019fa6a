"""The images and the detector of a section: real images and published weights, else drawn ones and random weights."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from jobs.benchmarks.detecting import Model
from pipeline.data.datasets.synthetic.dataset import Synthetic

REAL_IMAGES = "data/wider_images/WIDER_val/images"
DETECTOR = "retinaface_mobilenet"
REAL_WEIGHTS = "data/weights/retinaface_mobilenet0.25_Final.pth"


def gather(folder: Path, number: int, shared: Path | None) -> tuple[list[Path], str]:
    """Returns the files put into `folder` in the pipeline's order, and what they are.

    Real images of `shared` are taken evenly over all events, and again under other names where there are fewer; without
    `shared` they are drawn, 1024 x 683 pixels.
    """
    found = sorted((shared / REAL_IMAGES).glob("*/*.jpg")) if shared else []
    if found:
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


def model_for(folder: Path, canvas: str, shared: Path | None, name: str = DETECTOR) -> tuple[Model, str]:
    """Returns a detector and what it is: the published MobileNet-0.25 RetinaFace, else random weights in `folder`."""
    weights = shared / REAL_WEIGHTS if shared and name == DETECTOR else None
    if weights and weights.is_file():
        return Model(weights, None, canvas), "the public MobileNet-0.25 weights"
    from jobs.benchmarks.forward import settled
    from pipeline.models.detectors import DETECTORS
    from pipeline.models.weights import save_bytes

    file = folder / f"{name}.safetensors"
    file.write_bytes(save_bytes(name, settled(DETECTORS[name].build())))
    return Model(file, None, canvas), f"{name} with random weights"
