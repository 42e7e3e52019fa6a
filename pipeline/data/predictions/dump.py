"""Predictions in a dump (Parquet shards of `schemas.DETECTIONS`), in the flat form an evaluation reads, and written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.data.image_names import plain_name
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.predictions.form import PLAIN, PredictionForm, ReadOptions, WriteOptions
from pipeline.data.predictions.table import PredictionTable
from pipeline.data.schemas import CORNERS, DETECTIONS
from pipeline.engine.file_kind import HEAD, file_kind
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.manifest import Artifact, load_manifest
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.storage import Store

_MAGIC: Final = b"PAR1"
_WRITTEN: Final = 256  # images of a row group
_COLUMNS = ["image_id", *CORNERS, "score", "error"]
_SIDES = ("width", "height")
_NUMBERS = pa.list_(pa.float32())
_TYPES = pa.schema({"image_id": pa.string(), **dict.fromkeys((*CORNERS, "score"), _NUMBERS), "error": pa.string()})


@dataclass(frozen=True, slots=True)
class Dump:
    """All rows of a dump: the detections, and image_id -> reason of the images that could not be processed.

    Attributes:
        unreadable: of these, the images that have no size either; foreign shards may lack it, and then none is known.
        sizes: int32 [I, 2], width and height in pixels, zeros where unknown.
    """

    predictions: PredictionSet
    errors: dict[str, str]
    unreadable: frozenset[str]
    sizes: NDArray[np.int32]


def dump_shards(path: Path) -> list[Path]:
    """Returns the Parquet files at any depth below a folder, sorted, or one file itself; empty where it is no dump."""
    if path.is_file():
        with path.open("rb") as stream:
            return [path] if stream.read(len(_MAGIC)) == _MAGIC else []
    return sorted(file for file in path.rglob("*.parquet") if not file.name.startswith((".", "_")))


def read_dump(folder: Path) -> Dump:
    """Returns the detections of every shard below a folder, or of one shard; float32 numbers are widened to float64.

    Rows are kept as they are.

    Raises:
        FileNotFoundError: there is no shard.
        ValueError: a shard cannot be read, lacks a column, or an image is in two rows (two dumps in one folder).
    """
    table = pa.concat_tables(_tables(folder), promote_options="permissive")
    lengths = [pc.list_value_length(table[name]).to_numpy() for name in (*CORNERS, "score")]
    if any((other != lengths[0]).any() for other in lengths):
        raise ValueError(f"{folder}: the box columns of one image have different lengths")
    columns = [_flat(table, name) for name in (*CORNERS, "score")]
    if not all(np.isfinite(column).all() for column in columns):
        raise ValueError(f"{folder}: boxes and scores must be finite")
    image_ids = table["image_id"].to_pylist()
    offsets = np.concatenate([[0], np.cumsum(lengths[0])]).astype(np.int64)
    try:
        predictions = PredictionSet(tuple(image_ids), offsets, np.stack(columns[:4], axis=1), columns[4])
    except ValueError as error:
        raise ValueError(f"{folder}: {error}; name the folder of one dump only") from error
    errors = {name: text for name, text in zip(image_ids, table["error"].to_pylist(), strict=True) if text is not None}
    sides = [table[name].to_pylist() if name in table.column_names else [None] * len(image_ids) for name in _SIDES]
    widths = sides[0]
    unreadable = frozenset(name for name, width in zip(image_ids, widths, strict=True) if name in errors and width == 0)
    sizes = np.array([[side or 0 for side in each] for each in zip(*sides, strict=True)], np.int32).reshape(-1, 2)
    return Dump(predictions, errors, unreadable, sizes)


def _tables(folder: Path) -> list[pa.Table]:
    if folder.is_file():
        return [_read(_as_written(folder))]
    manifests = sorted(folder.rglob("manifest-*.json"), key=lambda file: file.stat().st_mtime)
    if manifests:
        # A manifest knows which rows count where an image was computed twice (a retried error, a changed file).
        folders = {file.parent for file in manifests}
        if len(folders) > 1:
            names = ", ".join(sorted(map(str, folders)))
            raise ValueError(f"{folder} holds {len(folders)} dumps; name one of {names}")
        newest = manifests[-1].resolve()
        store, name = Store(str(newest.parents[2])), newest.stem.removeprefix("manifest-")
        manifest = load_manifest(store, newest.parents[1].name, newest.parent.name, name)
        if manifest is None:
            raise ValueError(f"{newest} is not a manifest")
        return list(Artifact(store, manifest).tables([*_COLUMNS, *_SIDES]))
    shards = dump_shards(folder)
    if not shards:
        raise FileNotFoundError(f"no *.parquet below {folder}")
    return [_read(_as_written(shard)) for shard in shards]


def _as_written(shard: Path) -> Path:
    """Returns a shard that is not another one than the record beside it says, where there is one."""
    beside = shard.with_suffix(".json")
    record = ShardRecord.from_json(beside.read_bytes()) if beside.is_file() else None
    if record is not None and hash_bytes(shard.read_bytes()) != record.content_hash:
        raise ValueError(f"{shard} is damaged: expected the {record.size} bytes of its record, found others")
    return shard


def _read(shard: Path) -> pa.Table:
    try:
        sized = set(_SIDES) & set(pq.read_schema(shard).names)
        table = pq.read_table(shard, columns=[*_COLUMNS, *sized], partitioning=None)
        if unlike := [name for name in _COLUMNS if not _readable(table[name].type, _TYPES.field(name).type)]:
            kinds = ", ".join(f"{name} of {table[name].type}" for name in unlike)
            raise ValueError(
                f"{shard} is not a shard of detections: expected lists of numbers and texts, found {kinds}"
            )
        for name in _COLUMNS[:-1]:
            if table[name].null_count:
                raise ValueError(
                    f"{shard} is not a shard of detections: {name} is empty in {table[name].null_count} rows"
                )
        return table
    except (pa.ArrowException, KeyError, OSError) as error:
        with open(shard, "rb") as file:
            kind = file_kind(file.read(HEAD))
        reason = f", perhaps cut off: {' '.join(str(error).split())}" if kind == "a Parquet file" else ""
        raise ValueError(f"{shard} is not a shard of detections: it is {kind}{reason}") from error


def _readable(found: pa.DataType, expected: pa.DataType) -> bool:
    """Returns whether a column is of a type that another writer may have chosen for the same."""
    if pa.types.is_list(expected):
        lists = pa.types.is_list(found) or pa.types.is_large_list(found)
        return bool(lists and (pa.types.is_floating(found.value_type) or pa.types.is_integer(found.value_type)))
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_null(found))


def _flat(table: pa.Table, name: str) -> NDArray[np.float64]:
    values = [chunk.flatten().to_numpy() for chunk in table[name].chunks]
    return np.concatenate([np.zeros(0), *values]).astype(np.float64)


def read_dump_table(path: Path, options: ReadOptions = PLAIN) -> PredictionTable:
    """Returns the predictions of a dump with its errors and the sizes of its images. Raises as `read_dump`."""
    dump = read_dump(path)
    rows = dump.predictions
    names = tuple(map(plain_name, rows.image_ids))
    positions = np.arange(len(rows.scores))
    table = PredictionTable(names, rows.offsets, rows.boxes, rows.scores, positions, dump.sizes)
    errors = {plain_name(name): reason for name, reason in dump.errors.items()}
    return replace(table, errors=errors, unreadable=frozenset(map(plain_name, dump.unreadable)))


def write_dump(table: PredictionTable, folder: Path, options: WriteOptions) -> list[str]:
    """Writes ``detections.parquet``, one row per image, without width and height where the size of one is unknown."""
    folder.mkdir(parents=True, exist_ok=True)
    sized = bool((table.sizes > 0).all())
    schema = DETECTIONS if sized else pa.schema([each for each in DETECTIONS if each.name not in _SIDES])
    rows = _rows(table, sized)
    with pq.ParquetWriter(folder / "detections.parquet", schema) as writer:
        while part := list(islice(rows, _WRITTEN)):
            writer.write_table(pa.Table.from_pylist(part, schema))
    lines = [] if sized else ["width and height are left out: the size of some images is unknown"]
    rounded = (table.boxes != table.boxes.astype(np.float32)).any() or (
        table.scores != table.scores.astype(np.float32)
    ).any()
    return [*lines, *(["numbers are rounded to single precision"] if rounded else [])]


def _rows(table: PredictionTable, sized: bool) -> Iterator[dict[str, Any]]:
    sizes = table.sizes.tolist()
    for place, (name, boxes, scores) in enumerate(table.by_image()):
        row = {
            "image_id": name,
            "valid": len(scores),
            "score": scores,
            "landmarks": [],
            "error": table.errors.get(name),
        }
        size = dict(zip(_SIDES, sizes[place], strict=True)) if sized else {}
        yield {**row, **size, **dict(zip(CORNERS, boxes.T, strict=True))}


DUMP: Final = PredictionForm(
    words="dump",
    layout="x1 y1 x2 y2",
    matches=lambda contents: bool(dump_shards(contents.path)),
    read=read_dump_table,
    write=write_dump,
    folder=True,
    holds_sizes=True,
)
