"""Writer of the WIDER FACE submission text: `<event>/<name>.txt` with `x y w h score` rows."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.data.records import Detections


def write_wider_text(folder: Path, detections: Iterable[Detections], truncate: bool = True) -> int:
    """Writes one file per image and returns how many; rows keep their order, so ties stay as they are.

    ``truncate`` writes int(x1) int(y1) int(x2)-int(x1) int(y2)-int(y1) as the RetinaFace scripts do (costs about 0.1 AP
    hard); otherwise all digits, so that reading gives back the same numbers.
    """
    count = 0
    for row in detections:
        file = folder / f"{row.image_id}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        boxes = np.trunc(row.boxes.astype(np.float64)) if truncate else row.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        numbers = (boxes.astype(np.int64) if truncate else boxes).tolist()
        lines = [f"{x} {y} {w} {h} {score} " for (x, y, w, h), score in zip(numbers, row.scores.tolist(), strict=True)]
        file.write_text("\n".join([file.stem, str(len(lines)), *lines]) + "\n", encoding="utf-8", newline="\n")
        count += 1
    return count
