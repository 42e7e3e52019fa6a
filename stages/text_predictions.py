"""Published text predictions of any detector to detections, which are ranked, fused and evaluated like a dump."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.data.datasets.files import hash_files
from pipeline.data.datasets.wider_face.predictions import read_wider_text
from pipeline.data.prediction_format import ImageInfo
from pipeline.data.records import Detections, Sample
from pipeline.data.schemas import DETECTIONS, SAMPLES
from pipeline.engine.fingerprint import hash_json
from pipeline.engine.stage import NODE, Item, MapStage, Port, Row, StageContext


class TextPredictions(MapStage):
    """Reads submission text of WIDER FACE (``<event>/<name>.txt``), a folder or an archive: the node's `path`.

    A file is found by its name as `NameIndex` compares it. Boxes of equal score keep their order. An image without a
    file becomes a row with an error; files of images that the samples do not have are left out. Memory: the boxes of
    the samples, 40 bytes each.

    Attributes:
        max_candidates: the best so many boxes of an image; None takes all.
    """

    name: ClassVar[str] = "text_predictions"
    version: ClassVar[str] = "3"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples",)
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES)}
    output: ClassVar[pa.Schema] = DETECTIONS

    max_candidates: int | None = Field(None, ge=1)

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError where no predictions are given, or they are not there."""
        if not path:
            raise ValueError(
                f"path: expected a folder, .tar.gz or .zip of text predictions, found none: --set {NODE}.path=PATH"
            )
        if not Path(path).exists():
            raise ValueError(f"path: no predictions at {path}: expected a folder, a .tar.gz or a .zip")

    def file_hashes(self, path: str | None) -> Mapping[str, str]:
        """Returns the hash of all the text: any change computes every row again, in a second or two."""
        return {"text": hash_files(Path(path), (".txt",))} if path else {}

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per sample; its version changes with the image's size.

        Raises:
            ValueError: files that cannot be read (named with line, expected and found), or predictions that cannot be
                meant for these images, see `prediction_names` and `prediction_format`.
        """
        samples = list(ctx.one("samples").rows(["image_id", "width", "height", "error"]))
        text = read_wider_text(Path(ctx.path or ""), [row["image_id"] for row in samples])
        faces = (Sample.from_row(row) for row in ctx.one("samples").rows())
        sizes = {each.image_id: ImageInfo(each.boxes, _size(each)) for each in faces}
        text.require(Path(ctx.path or ""), sizes)
        return [Item(row["image_id"], hash_json(list(row.values()), 8), row) for row in samples]

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that has read the text once.

        Raises:
            ValueError: it is not the text that the run was planned with.
        """
        if hash_files(Path(ctx.path or ""), (".txt",)) != ctx.file_hashes["text"]:
            raise ValueError(f"{ctx.path}: expected the predictions that this run was planned with, found others")
        keys = ctx.one("samples").keys().to_pylist()
        text, row_of = read_wider_text(Path(ctx.path or ""), keys), {key: row for row, key in enumerate(keys)}
        missing, best = set(text.missing), slice(self.max_candidates)

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                width, height, error = (item.data[name] for name in ("width", "height", "error"))
                if error or item.key in missing:
                    error = error or f"{ctx.path}: no file {item.key}.txt"
                    yield Detections(item.key, width, height, error=error).to_row()
                    continue
                rows = slice(*text.predictions.offsets[row_of[item.key] :][:2])
                boxes = text.predictions.boxes[rows][best].astype(np.float32)
                scores = text.predictions.scores[rows][best].astype(np.float32)
                yield Detections(item.key, width, height, boxes, scores).to_row()

        return work


def _size(sample: Sample) -> tuple[int, int] | None:
    return (sample.width, sample.height) if sample.width and sample.height else None
