"""What is in labels, and whether they fit their images: counts, remarks, and images to draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.data.datasets.dataset import Dataset
from pipeline.data.datasets.entries import Entry
from pipeline.data.datasets.files import scan
from pipeline.data.datasets.labels.found_labels import FoundLabels
from pipeline.data.datasets.labels.label_table import LabelTable
from pipeline.data.file_path import FilePath, address_of, read_ahead
from pipeline.data.image_kinds import claims_to_be_image
from pipeline.data.records import Sample
from pipeline.data.schemas import LEVELS, SAMPLES
from pipeline.engine.stage import with_node

READ: Final = 2000
"""Images that are opened, unless another number is asked for."""

_BATCH: Final = 256
_NODE: Final = "faces"  # of configs/own.yaml, for the advice in messages


@dataclass(frozen=True, slots=True)
class Inspection:
    """The findings.

    Attributes:
        counts: (what, number and more) in the order of a page.
        remarks: oddities, one line each.
        problem: why labels and images contradict each other, or None.
        drawn: readable images with faces, evenly spread over those that were opened.
        dataset: their dataset, whose images are below ``root``.
        root: its folder.
        absent: images that labels name and that are not there.
    """

    counts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    problem: str | None
    drawn: tuple[Sample, ...]
    dataset: Dataset
    root: FilePath
    absent: int = 0


def inspect_labels(found: FoundLabels, opened: int = READ, drawn: int = 12) -> Inspection:
    """Returns what is in labels; all of them are read, and so many images, evenly spread, are compared with them.

    Where no image of theirs is there, that is the problem, and the labels are counted all the same.

    Raises FileNotFoundError: as `Form.read`; ValueError: the labels are malformed.
    """
    table, dataset, remarks = found.table().without_repeats(), found.dataset(), list[str]()
    address = address_of(found.root)
    try:
        entries = dataset.entries(address, remarks.append)
    except FileNotFoundError as error:
        counts = tuple(_counts(found, table, 0))
        return Inspection(counts, table.remarks, f"{error}; --images names their folder", (), dataset, found.root)
    chosen = _spread(entries, opened)
    read = dataset.open(address)
    samples, heights, with_faces = _Samples(), list[float](), list[Entry]()
    tables = []
    for entry, sample in zip(chosen, read_ahead(address, read, chosen), strict=True):
        samples.add(sample)
        heights += (sample.boxes[:, 3] - sample.boxes[:, 1]).tolist()
        if len(sample.boxes) and not sample.error:
            with_faces.append(entry)
        if samples.full:
            tables.append(samples.take())
    tables.append(samples.take())
    lines, problem = _review(dataset, address, tables)
    remarks += lines
    remarks += [f"cannot be read: {each}" for each in samples.errors[:3]]
    if len(samples.errors) > 3:
        remarks.append(f"cannot be read: {len(samples.errors) - 3} more images")
    if unlabelled := _unlabelled(found, entries):
        remarks.append(f"{len(unlabelled)} images have no labels; the first is {unlabelled[0]}")
    counts = (*_counts(found, table, len(entries)), *_fit_counts(len(chosen), len(entries), heights, samples.counted))
    drawn_samples = tuple(read_ahead(address, read, _spread(with_faces, drawn)))
    shown = tuple(dict.fromkeys(with_node(line, _NODE) for line in remarks))
    return Inspection(counts, shown, problem, drawn_samples, dataset, found.root, len(table) - len(entries))


def _review(dataset: Dataset, address: str, tables: Sequence[pa.Table]) -> tuple[list[str], str | None]:
    """Returns the remarks of a dataset that reports its doubts, and what a run over it would stop at."""
    lines = list[str]()
    try:
        lines = dataset.review(address, tables)
        dataset.model_copy(update={"doubts": "refuse"}).review(address, tables)
    except ValueError as error:
        problem = str(error)
        return [line for line in lines if line not in problem], with_node(problem, _NODE)
    return lines, None


class _Samples:
    """Collects samples into tables of `SAMPLES`, and counts what cannot be read."""

    def __init__(self) -> None:
        self._rows: list[Sample] = []
        self.errors: list[str] = []
        self.counted = dict.fromkeys(LEVELS, 0)

    @property
    def full(self) -> bool:
        return len(self._rows) >= _BATCH

    def add(self, sample: Sample) -> None:
        self._rows.append(sample)
        if sample.error:
            self.errors.append(f"{sample.path}: {sample.error}")
        for level in LEVELS:
            self.counted[level] += int(np.count_nonzero(sample.levels.get(level, ())))

    def take(self) -> pa.Table:
        rows, self._rows = self._rows, []
        return pa.Table.from_pylist([sample.to_row() for sample in rows], SAMPLES)


def _spread(entries: Sequence[Entry], most: int) -> list[Entry]:
    """Returns at most so many entries, evenly spread."""
    if len(entries) <= most:
        return list(entries)
    return [entries[place] for place in np.linspace(0, len(entries) - 1, most).round().astype(int).tolist()]


def _unlabelled(found: FoundLabels, entries: Sequence[Entry]) -> list[str]:
    labelled = {entry.path for entry in entries}
    files = (path for path, _ in scan(found.root, found.images) if claims_to_be_image(path))
    return sorted(path for path in files if path not in labelled)


def _counts(found: FoundLabels, table: LabelTable, files: int) -> Iterator[tuple[str, str]]:
    yield "form", f"{found.form.words} (--set faces.dataset={found.name})"
    yield "labels", str(found.labels)
    empty = int(np.count_nonzero(np.diff(table.starts) == 0))
    yield "images", f"{len(table):,} labelled, {empty:,} of them without a face; {files:,} files found"
    ignored = f"{int(table.ignored.sum()):,} of them ignored"
    marked = 0 if table.landmarks is None else int(np.isfinite(table.landmarks).all(axis=(1, 2)).sum())
    yield "faces", f"{len(table.boxes):,}, {ignored}" + (f", {marked:,} with five landmarks" if marked else "")
    named = {name: count for name, count in table.categories.items() if name}
    if named:
        yield "objects", ", ".join(f"{name} {count:,}" for name, count in named.items())


def _fit_counts(opened: int, files: int, heights: list[float], counted: dict[str, int]) -> Iterator[tuple[str, str]]:
    spread = f" of {files:,}, evenly spread; --opened N for others"
    yield "opened", f"{opened:,} images{spread if opened < files else ''}"
    if heights:
        low, median, high = np.percentile(heights, (5, 50, 95)).tolist()
        yield "heights", f"5 % of the faces are below {low:.0f} px, half below {median:.0f}, 5 % above {high:.0f}"
        yield "subsets", ", ".join(f"{level} {number:,}" for level, number in counted.items())
