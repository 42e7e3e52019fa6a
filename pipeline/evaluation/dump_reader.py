"""Detections out of a dump (Parquet shards of `schemas.DETECTIONS`) in the flat form an evaluation reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.data.prediction_set import PredictionSet
from pipeline.data.schemas import CORNERS
from pipeline.engine.file_kind import HEAD, file_kind
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.manifest import Artifact, load_manifest
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.storage import Store

_COLUMNS = ["image_id", *CORNERS, "score", "error"]
_NUMBERS = pa.list_(pa.float32())
_TYPES = pa.schema({"image_id": pa.string(), **dict.fromkeys((*CORNERS, "score"), _NUMBERS), "error": pa.string()})


@dataclass(frozen=True, slots=True)
class Dump:
    """All rows of a dump: the detections, and image_id -> reason of the images that could not be processed."""

    predictions: PredictionSet
    errors: dict[str, str]


def dump_shards(folder: Path) -> list[Path]:
    """Returns the Parquet files at any depth below a folder, sorted; empty where it is not a dump."""
    return sorted(file for file in folder.rglob("*.parquet") if not file.name.startswith((".", "_")))


def read_dump(folder: Path) -> Dump:
    """Returns the detections of every shard below a folder; float32 numbers are widened to float64, rows kept as is.

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
    return Dump(predictions, errors)


def unreadable_images(folder: Path) -> Mapping[str, str]:
    """Returns image_id -> reason of the rows that hold an error and no size; a foreign file may lack these columns."""
    columns, found = ["image_id", "width", "height", "error"], dict[str, str]()
    for shard in dump_shards(folder):
        if set(columns) <= set(pq.read_schema(shard).names):
            rows = pq.read_table(shard, columns=columns, partitioning=None).to_pylist()
            found |= {r["image_id"]: r["error"] for r in rows if r["error"] is not None and not r["width"]}
    return found


def _tables(folder: Path) -> list[pa.Table]:
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
        return list(Artifact(store, manifest).tables(_COLUMNS))
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
        table = pq.read_table(shard, columns=_COLUMNS, partitioning=None)
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
