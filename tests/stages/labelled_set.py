"""A COCO set of one drawn image with boxes of the heights that a test asks for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.data.images import encode_png
from tests.stages.world import drawn_image


def labelled_set(folder: Path, heights: Sequence[int], **fields: object) -> str:
    """Writes image and file, 160 pixels wide and 120 high; `fields` are added to every annotation."""
    folder.mkdir(exist_ok=True)
    (folder / "a.png").write_bytes(encode_png(drawn_image(0, 160, 120)))
    boxes = [[10 + 12 * place, 10, 10, height] for place, height in enumerate(heights)]
    annotations = [{"image_id": 1, "bbox": box, **fields} for box in boxes]
    content = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": annotations}
    (folder / "annotations.json").write_text(json.dumps(content))
    return str(folder)
