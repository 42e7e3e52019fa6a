"""Drawn faces in the official layout of WIDER FACE: photographs, text annotation, and the four .mat files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.io
from numpy.typing import NDArray

from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.images import encode_jpeg
from pipeline.data.schemas import ATTRIBUTES, LEVELS

EVENTS: Final = ("0--Parade", "1--Handshaking")


def write_drawn_wider(root: Path, images: int, width: int, height: int) -> Path:
    """Writes so many images of each event, for training and validation, below a folder, and returns it.

    Sizes are in pixels; every face counts in all subsets.
    """
    for number, split in enumerate(("train", "val")):
        drawn = Synthetic(images=images * len(EVENTS), width=width, height=height, seed=number)
        faces = {}
        for index in range(images * len(EVENTS)):
            pixels, boxes, _ = drawn.draw(index)
            event, name = EVENTS[index % len(EVENTS)], f"{index:03d}_drawn"
            file = root / f"WIDER_{split}/images/{event}/{name}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_jpeg(pixels))
            corners = np.unique(np.round(np.clip(boxes, 0, [width - 1, height - 1] * 2)), axis=0).astype(int)
            faces[event, name] = np.c_[corners[:, :2], corners[:, 2:] - corners[:, :2]].reshape(-1, 4)
        _write_text(root / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt", faces)
        if split == "val":
            _write_official(root / "wider_face_split", faces)
    return root


def _write_text(file: Path, faces: dict[tuple[str, str], NDArray[np.int64]]) -> None:
    lines = list[str]()
    for (event, name), rows in faces.items():
        lines += [f"{event}/{name}.jpg", str(len(rows))]
        lines += [f"{x} {y} {w} {h} 0 0 0 0 0 0 " for x, y, w, h in rows.tolist()] or ["0 0 0 0 0 0 0 0 0 0 "]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def _write_official(folder: Path, faces: dict[tuple[str, str], NDArray[np.int64]]) -> None:
    by_event = [[(name, rows) for (event, name), rows in faces.items() if event == each] for each in EVENTS]
    named = {"event_list": _cells(*EVENTS), "file_list": _cells(*(_cells(*(n for n, _ in rows)) for rows in by_event))}
    boxes = _cells(*(_cells(*(rows.astype(np.int32) for _, rows in event)) for event in by_event))
    zeros = _cells(*(_cells(*(np.zeros((len(rows), 1), np.uint8) for _, rows in event)) for event in by_event))
    attributes = {f"{name}_label_list": zeros for name in ATTRIBUTES}
    scipy.io.savemat(folder / "wider_face_val.mat", {**named, "face_bbx_list": boxes, **attributes})
    kept = _cells(*(_cells(*(np.arange(1, len(rows) + 1)[:, None] for _, rows in event)) for event in by_event))
    for level in LEVELS:
        scipy.io.savemat(folder / f"wider_{level}_val.mat", {**named, "gt_list": kept})


def _cells(*values: Any) -> NDArray[Any]:
    """Returns a column of a cell array."""
    column = np.empty((len(values), 1), object)
    for row, value in enumerate(values):
        column[row, 0] = value
    return column
