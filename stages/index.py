"""Dataset to samples: one row per image with size, content hash and faces; pixels are not decoded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

import pyarrow as pa

from pipeline.data.datasets.config_field import DatasetChoice
from pipeline.data.datasets.entries import Entries, Entry, name_of
from pipeline.data.datasets.files import size_in
from pipeline.data.datasets.labels.forms import advice_on_form
from pipeline.data.file_path import read_ahead
from pipeline.data.records import Sample
from pipeline.data.schemas import SAMPLES
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import NODE, Item, Items, MapStage, Row, StageContext, with_node

AHEAD_BYTES: Final = 2**28
"""Of files that are read ahead of a store; a single one may have more."""


class Index(MapStage):
    """Reads every image's header and labels once.

    Attributes:
        dataset: which one; its folder is the node's `path`.
    """

    name: ClassVar[str] = "index"
    version: ClassVar[str] = "2"
    output: ClassVar[pa.Schema] = SAMPLES

    dataset: DatasetChoice

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError where a folder is needed and none is given."""
        if self.dataset.needs_root and not path:
            raise ValueError(f"path: expected the dataset's folder, found none: --set {NODE}.path=FOLDER")

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per image, whose version changes with the file's size, time or labels.

        Raises:
            ValueError: the dataset cannot be read, or contradicts itself.
        """
        self.check(ctx.path, {})
        try:
            entries = self.dataset.entries(ctx.path or "", ctx.log)
        except (ValueError, FileNotFoundError) as error:
            advice = advice_on_form(self.dataset, ctx.path or "")
            raise ValueError(with_node(f"{error}{advice}", ctx.node)) from None
        table = Entries.of(entries).table
        names = table["image_id"]
        try:
            keys = names.cast(pa.string())
        except pa.ArrowInvalid:  # a name that is no UTF-8
            keys = pa.array([_escaped(name_of(name)) for name in names.to_pylist()], pa.string())
        return Items(keys, table["version"], table.select(["image_id", "path"]))

    def review(self, ctx: StageContext, output: Artifact) -> Sequence[str]:
        """Returns what is odd about the set now that its images are read, as `Dataset.review`.

        Raises:
            ValueError: its labels contradict its images.
        """
        try:
            return [with_node(line, ctx.node) for line in self.dataset.review(ctx.path or "", output.tables())]
        except ValueError as error:
            raise ValueError(with_node(str(error), ctx.node)) from None

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker that reads each file once, those of a store several at a time.

        A file name that is no UTF-8 makes an error row.
        """
        read = self.dataset.open(ctx.path or "")

        def row(item: Item) -> Row:
            image_id, path = (name_of(item.data[name]) for name in ("image_id", "path"))
            return _storable(read(Entry(image_id, path, item.version))).to_row()

        def work(items: Sequence[Item]) -> Iterator[Row]:
            yield from read_ahead(ctx.path or "", row, items, lambda item: size_in(item.version), AHEAD_BYTES)

        return work


def _storable(sample: Sample) -> Sample:
    image_id, path = _escaped(sample.image_id), _escaped(sample.path)
    if (image_id, path) == (sample.image_id, sample.path):
        return sample
    return replace(
        sample,
        image_id=image_id,
        path=path,
        content_hash="",
        width=0,
        height=0,
        error="the file's name is no UTF-8: rename it",
    )


def _escaped(name: str) -> str:
    r"""Returns a name of `os.fsdecode` as text that can be stored and printed: an invalid byte becomes ``\xe9``."""
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return name.encode("utf-8", "backslashreplace").decode("utf-8")
