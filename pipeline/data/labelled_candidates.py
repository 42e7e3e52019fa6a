"""The candidates of several detectors in an image with their IoU with the faces: the record, and a reader by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.records import Float32, boxes_of
from pipeline.data.schemas import CORNERS
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.manifest import Artifact
from pipeline.engine.storage import Store

_FIELDS: Final = ("image_id", "path", "width", "height", "error")
FOOTERS: Final = 32
"""Shards whose footers a process remembers; one of 100 rows takes about 1 MB."""


@dataclass(frozen=True, slots=True)
class LabelledCandidates:
    """The boxes of D detectors in one image, one detector after the other, each best first; M boxes in all."""

    image_id: str  # the sample's
    path: str  # file, as in the sample
    width: int  # of the original image, pixels after orientation; 0 where unknown
    height: int  # likewise
    valid: tuple[int, ...] = ()  # D numbers of boxes
    boxes: Float32 = field(default_factory=lambda: np.zeros((0, 4), np.float32))  # [M, 4] xyxy, original pixels
    scores: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))  # [M]
    overlaps: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))  # [M], plain IoU with the closest face
    error: str | None = None  # why there are no boxes, or None

    def __post_init__(self) -> None:
        """Raises ValueError where the lengths disagree."""
        total = sum(self.valid)
        shapes = (self.boxes.shape, self.scores.shape, self.overlaps.shape)
        if shapes != ((total, 4), (total,), (total,)):
            found = f"boxes {shapes[0]}, scores {shapes[1]} and overlaps {shapes[2]}"
            raise ValueError(f"{self.image_id}: {found} for {' + '.join(map(str, self.valid)) or 0} rows")

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return int(self.boxes.nbytes + self.scores.nbytes + self.overlaps.nbytes)

    def of_detector(self, number: int) -> tuple[Float32, Float32, Float32]:
        """Returns boxes, scores and overlaps of one detector, 0 .. D - 1 in the order they were wired."""
        start = sum(self.valid[:number])
        rows = slice(start, start + self.valid[number])
        return self.boxes[rows], self.scores[rows], self.overlaps[rows]

    def to_row(self) -> dict[str, Any]:
        """Returns a row of `schemas.LABELLED_CANDIDATES`."""
        return {
            **{name: getattr(self, name) for name in _FIELDS},
            "valid": list(self.valid),
            **{name: self.boxes[:, i] for i, name in enumerate(CORNERS)},
            "score": self.scores,
            "overlap": self.overlaps,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> LabelledCandidates:
        """Returns the record of a row of `schemas.LABELLED_CANDIDATES` (lists or arrays)."""
        return cls(
            **{name: row[name] for name in _FIELDS},
            valid=tuple(int(each) for each in row["valid"]),
            boxes=boxes_of(row),
            scores=np.asarray(row["score"], np.float32),
            overlaps=np.asarray(row["overlap"], np.float32),
        )


class LabelledCandidateReader:
    """The rows of `label_candidates` without errors, by number; picklable, and safe for several threads.

    It holds image ids and row numbers alone: a row is read on demand from its own row group, in 1 to 2 ms for three
    times 5,000 boxes.
    """

    def __init__(self, artifact: Artifact, most: int | None = None) -> None:
        """Reads the image ids of all rows, and verifies the bytes of every shard.

        Args:
            artifact: of `schemas.LABELLED_CANDIDATES`.
            most: only so many rows, the first ones; None for all.

        Raises DamagedError: a shard is damaged; ValueError: a row is no row group of its own.
        """
        manifest = artifact.manifest
        self.node, self._store = manifest.node, artifact.store
        self._shards = tuple((f"{manifest.folder}/{each.name}.parquet", each.content_hash) for each in manifest.shards)
        self._names: list[str] = []
        rows: list[tuple[int, int]] = []
        for number, entry in enumerate(manifest.shards):
            if most is not None and len(rows) >= most:
                break
            keys = None if entry.keys is None else frozenset(entry.keys)
            names, errors = self._columns(number, artifact.read(entry))
            for row, (name, error) in enumerate(zip(names, errors, strict=True)):
                if error is None and (keys is None or name in keys):
                    self._names.append(name)
                    rows.append((number, row))
        if most is not None:
            del self._names[most:], rows[most:]
        self._rows = np.array(rows, np.int32).reshape(-1, 2)

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self._names)

    def name(self, number: int) -> str:
        """Returns a row's image id."""
        return self._names[number]

    def __getitem__(self, number: int) -> LabelledCandidates:
        """Returns one row. Raises ValueError: its bytes are damaged; OSError: the store does not answer."""
        shard, row = self._rows[number].tolist()
        name, checksum = self._shards[shard]
        try:
            footer = _footer(self._store, name, checksum)
            with pq.ParquetFile(self._store.path(name), metadata=footer, filesystem=self._store.filesystem) as file:
                table = file.read_row_group(row)
        except (OSError, pa.ArrowInvalid) as error:
            table = self._whole(name, checksum, error).read_row_group(row)
        return LabelledCandidates.from_row({name: _value(table.column(name)) for name in table.column_names})

    def _whole(self, name: str, checksum: str, error: Exception) -> pq.ParquetFile:
        """Returns a file read as a whole, after `error`: an object store may have failed where the bytes are good."""
        data = self._store.read_buffer(name)
        if data is None or hash_bytes(memoryview(data)) != checksum:
            raise ValueError(
                f"{name}: expected a whole Parquet file, found a damaged one ({error}); "
                f"run `wider8k run --force {self.node}` to compute it again"
            ) from error
        return pq.ParquetFile(pa.BufferReader(data))

    def _columns(self, shard: int, data: pa.Buffer) -> tuple[list[str], list[str | None]]:
        """Returns image id and error of every row of a shard."""
        file = pq.ParquetFile(pa.BufferReader(data))
        rows, groups = file.metadata.num_rows, file.metadata.num_row_groups
        if groups != max(1, rows):  # a table without rows has one empty group
            raise ValueError(
                f"{self._shards[shard][0]}: {rows} rows in {groups} row groups cannot be read one by one; "
                "expected the output of stage label_candidates"
            )
        table = file.read(["image_id", "error"])
        return table.column("image_id").to_pylist(), table.column("error").to_pylist()


@lru_cache(maxsize=FOOTERS)
def _footer(store: Store, name: str, checksum: str) -> pq.FileMetaData:
    """Returns a file's footer; the checksum in the key makes a replaced file a new entry."""
    return pq.read_metadata(store.path(name), filesystem=store.filesystem)


def _value(column: pa.ChunkedArray) -> Any:
    """Returns the only value of a column, a list as an array without a Python object per number."""
    if pa.types.is_list(column.type):
        return column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return column[0].as_py()
