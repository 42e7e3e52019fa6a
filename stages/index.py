"""Dataset to samples: one row per image with size, digest and faces; pixels are not decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from pipeline.data.datasets.choice import DatasetChoice
from pipeline.data.datasets.dataset import Entry
from pipeline.data.schemas import SAMPLES
from pipeline.engine.stage import Item, MapStage, Row, StageContext


class Index(MapStage):
    """Reads every image's header and labels once.

    Attributes:
        dataset: which one; its folder is the node's `at`.
    """

    name: ClassVar[str] = "index"
    version: ClassVar[str] = "1"
    output: ClassVar[pa.Schema] = SAMPLES

    dataset: DatasetChoice

    def check(self, at: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError where a folder is needed and none is given."""
        if self.dataset.needs_root and not at:
            raise ValueError("at: expected the dataset's folder, found nothing; set it in the config or with --set")

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per image; its stamp changes with the file's size, time or labels."""
        self.check(ctx.at, {})
        entries = self.dataset.entries(ctx.at or "")
        return [Item(entry.image_id, entry.stamp, {"path": entry.path}) for entry in entries]

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that reads each file's bytes once."""
        read = self.dataset.open(ctx.at or "")

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                yield read(Entry(item.key, item.data["path"], item.stamp)).to_row()

        return work
