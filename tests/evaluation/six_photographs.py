"""Six drawn photographs with labels and predictions that every form holds without rounding.

Their sides are powers of two, and faces and boxes are at whole pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.images import encode_png

EVENTS = {event: [f"{event}_{number}" for number in range(3)] for event in ("0--Parade", "1--Handshaking")}
NAMES = [f"{event}/{name}.png" for event, names in EVENTS.items() for name in names]
WIDTH, HEIGHT = 256, 128


def write_photographs(root: Path) -> Path:
    """Writes `set/images`, their faces in `set/labels.csv` and boxes with scores in `found.csv`; returns the folder."""
    drawn = Synthetic(images=len(NAMES), width=WIDTH, height=HEIGHT, seed=7)
    rng = np.random.default_rng(11)
    labels, found, scores = ["image,x1,y1,x2,y2"], ["image,x1,y1,x2,y2,score"], iter(rng.permutation(1024))
    for index, name in enumerate(NAMES):
        pixels, boxes, _ = drawn.draw(index)
        file = root / "set/images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_png(pixels))
        faces = np.unique(np.round(np.clip(boxes, 0, [WIDTH - 2, HEIGHT - 2] * 2)), axis=0)
        labels += [f"{name},{','.join(f'{value:.0f}' for value in face)}" for face in faces]
        shifted = faces + rng.integers(-2, 3, faces.shape)
        corner = rng.integers(0, 60, (4, 2))
        alarms = np.concatenate([corner, corner + rng.integers(8, 40, (4, 2))], axis=1)
        for box in np.concatenate([faces[::2], shifted, alarms]).astype(int).tolist():
            found.append(f"{name},{','.join(map(str, box))},{int(next(scores)) / 1024}")
    (root / "set/labels.csv").write_text("\n".join(labels) + "\n")
    (root / "found.csv").write_text("\n".join(found) + "\n")
    return root


def rows_of(file: Path) -> dict[str, list[list[float]]]:
    """Image -> numbers of its rows, of one of the two files."""
    rows: dict[str, list[list[float]]] = {name: [] for name in NAMES}
    for line in file.read_text().splitlines()[1:]:
        name, *numbers = line.split(",")
        rows[name].append(list(map(float, numbers)))
    return rows


def write_official(folder: Path, labels: Path) -> Path:
    """Writes the four .mat files of WIDER FACE with the faces of `set/labels.csv`, all of which count everywhere."""
    folder.mkdir(parents=True)
    rows = rows_of(labels)
    faces, kept = [], []
    for event, names in EVENTS.items():
        boxes = [np.array(rows[f"{event}/{name}.png"]).reshape(-1, 4) for name in names]
        faces.append(_cells(*(np.c_[each[:, :2], each[:, 2:] - each[:, :2]].astype(np.int32) for each in boxes)))
        kept.append(_cells(*(np.arange(1, len(each) + 1, dtype=np.uint8)[:, None] for each in boxes)))
    named = {"event_list": _cells(*EVENTS), "file_list": _cells(*(_cells(*names) for names in EVENTS.values()))}
    scipy.io.savemat(folder / "wider_face_val.mat", {**named, "face_bbx_list": _cells(*faces)})
    for level in ("easy", "medium", "hard"):
        scipy.io.savemat(folder / f"wider_{level}_val.mat", {**named, "gt_list": _cells(*kept)})
    return folder


def _cells(*values: Any) -> np.ndarray:
    column = np.empty((len(values), 1), object)
    for row, value in enumerate(values):
        column[row, 0] = value
    return column
