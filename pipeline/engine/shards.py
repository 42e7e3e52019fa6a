"""Computes one shard: a Parquet file with a record beside it, written whole or not at all."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.engine.columns import as_table
from pipeline.engine.fingerprint import hash_bytes, hash_texts
from pipeline.engine.heartbeat import SECONDS_BETWEEN, Heartbeat
from pipeline.engine.heartbeat import SUFFIX as HEARTBEAT
from pipeline.engine.items import Item, Items
from pipeline.engine.measures import take_measures, timed
from pipeline.engine.memory_watch import noting_shortage
from pipeline.engine.provenance import this_process
from pipeline.engine.redaction import redact
from pipeline.engine.row_list import planned_with
from pipeline.engine.shard_record import DAMAGED, KEY, VERSION, WHOLE, ShardRecord, item_columns
from pipeline.engine.stage import MapStage, Row, Stage, StageContext, WholeStage, WorkDir
from pipeline.engine.storage import Store
from pipeline.engine.tries import TOO_LONG, Tries
from pipeline.engine.watch import Watch
from pipeline.engine.worker_group import RESTARTS
from pipeline.engine.worker_reports import note_event

CRASHES_TO_GIVE_UP = 2  # crashes *while known to be on one item*; one more, unnamed, came before them
OVERDUE_TO_STOP = 5  # items in succession: no item is to blame then
Worker = Callable[[Sequence[Item]], Iterator[Row]]


@dataclass(frozen=True)
class ShardJob:
    """Everything a worker needs to compute shards of one node; picklable."""

    store: Store
    folder: str  # <node>/<row fingerprint>
    row_fingerprint: str
    run_id: str
    stage: Stage
    ctx: StageContext
    damaged: frozenset[str] = frozenset()  # names of shards that are marked so


def shard_name(items: Sequence[Item]) -> str:
    """Returns the file name of the shard that holds exactly these items: equal items, equal name."""
    columns = Items.of(items)
    return "shard-" + hash_texts(columns.keys, columns.versions, size=8)


def encode(table: pa.Table, row_group: int | None = None) -> memoryview:
    """Returns a table as Parquet bytes: float lists byte-stream-split, all zstd; equal tables give equal bytes.

    `row_group` is the number of rows of one group; None for one group, up to pyarrow's own limit.
    """
    split = [
        f"{f.name}.list.element" for f in table.schema if pa.types.is_list(f.type) and f.type.value_type == pa.float32()
    ]
    text = [f.name for f in table.schema if pa.types.is_string(f.type)]
    sink = pa.BufferOutputStream()  # a Python file would take the interpreter's lock for every page
    how = {"compression": "zstd", "use_dictionary": text, "use_byte_stream_split": split}
    pq.write_table(table, sink, row_group_size=row_group, **how)
    return memoryview(sink.getvalue()).cast("B")


def compute_shard(
    job: ShardJob,
    worker: Worker,
    items: Sequence[Item],
    watch: Watch,
    turn: AbstractContextManager[Any] | None = None,
) -> ShardRecord:
    """Computes the rows of `items`, writes file and record, and returns the record.

    An item that kills its process costs itself only. The first death of a shard is noted without a name; after it the
    shard is computed item by item with the name on disk, and an item met at two more deaths becomes an error row.
    Deaths count within one run, so killing whole runs never makes an image an error. An item whose row does not come
    within the limit of `watch` costs itself likewise: what watches the worker ends it, and an item met at one more such
    end becomes an error row.

    With several threads `turn` is held while rows are computed and released while they are written: another thread's
    shard is computed meanwhile, and the worker is never called by two at once.

    Raises ValueError: several items in succession gave no row in time, so that the cause is none of them.
    """
    name = shard_name(items)
    marker = _marker(job, name)
    with turn or nullcontext():
        started = time.monotonic()
        rows = _rows(job, worker, items, watch, name)
    record = _write(job, name, rows, items, started)
    _unmark(job, marker, started)
    return record


def _marker(job: ShardJob, name: str) -> str:
    return f"{job.folder}/_inflight/{job.run_id}-{name}"


def _unmark(job: ShardJob, marker: str, started: float) -> None:
    if job.store.local or time.monotonic() - started >= SECONDS_BETWEEN:
        job.store.delete(marker, f"{marker}{HEARTBEAT}")  # quick ones on an object store go with their folder


def _rows(job: ShardJob, worker: Worker, items: Sequence[Item], watch: Watch, name: str) -> list[Row]:
    """Returns the rows of a shard; the marker lets a later try know that this one began."""
    assert isinstance(job.stage, MapStage)
    marker = _marker(job, name)
    tries = Tries.begin(job.store, marker, socket.gethostname())
    if tries.earlier:
        at = tries.earlier[-1].key or name
        note_event(job.store, marker, "worker died", at=at, attempt=len(tries.earlier))
        tries.give_up(RESTARTS)
    heartbeat = Heartbeat(job.store, f"{marker}{HEARTBEAT}", time.monotonic())
    rows: list[Row] = []
    with watch.over(name, this_process(), items, tries):
        for row in (
            _careful_try(job.stage, worker, items, tries) if tries.earlier else _first_try(job.stage, worker, items)
        ):
            watch.row()
            rows.append(row)
            heartbeat(f"{len(rows)}/{len(items)}")
    return rows


def _first_try(stage: MapStage, worker: Worker, items: Sequence[Item]) -> Iterator[Row]:
    count = 0
    for item, row in zip(items, worker(items), strict=False):
        if row[stage.key] != item.key:
            raise RuntimeError(f"{type(stage).__name__} gave the row of {row[stage.key]} where {item.key} was due")
        count += 1
        yield row
    if count != len(items):
        raise RuntimeError(f"{type(stage).__name__} gave {count} rows for {len(items)} items")


def _careful_try(stage: MapStage, worker: Worker, items: Sequence[Item], tries: Tries) -> Iterator[Row]:
    overdue: list[str] = []
    for item in items:
        problem = tries.error_of(item.key, CRASHES_TO_GIVE_UP)
        overdue = [*overdue, item.key] if problem and problem.startswith(TOO_LONG) else []
        if len(overdue) == OVERDUE_TO_STOP:
            raise ValueError(
                f"{len(overdue)} items in succession gave no row in time, {overdue[0]} to {overdue[-1]} on "
                f"{socket.gethostname()} ({problem}): a disk or mount that does not answer, or a limit too short for "
                "them, see run.item_seconds"
            )
        if problem:
            yield stage.error_row(item, problem)
            continue
        tries.at(item.key)
        yield from _first_try(stage, worker, [item])
    tries.at(None)  # while it is written another shard is computed: a death then is of none of these items


def compute_whole(job: ShardJob, restarts: int = RESTARTS) -> ShardRecord:
    """Runs a `WholeStage`, writes its only shard and returns the record; its `log` reaches the driver as heartbeats.

    A cluster that begins it again where its process died need not count: a try beyond `restarts` gives up.

    Raises ValueError: its process died too often within this run, with the probable cause.
    """
    assert isinstance(job.stage, WholeStage)
    started = time.monotonic()
    marker = _marker(job, WHOLE)
    heartbeat = Heartbeat(job.store, f"{marker}{HEARTBEAT}")
    tries = Tries.begin(job.store, marker, socket.gethostname())
    if tries.earlier:
        last = job.store.read_or_none(heartbeat.name)
        note_event(job.store, marker, "worker died", at=last.decode() if last else WHOLE, attempt=len(tries.earlier))
    ctx = replace(job.ctx, work_dir=WorkDir(job.store, f"{job.folder}/work"), log=heartbeat)
    try:
        tries.give_up(restarts)
        with noting_shortage(tries):
            rows = list(job.stage.run(ctx))
            record = _write(job, WHOLE, rows, [Item(WHOLE, job.row_fingerprint)], started)
    except Exception:  # no death: this run may compute it once more, where an input was damaged
        job.store.delete(marker, heartbeat.name)
        raise
    _unmark(job, marker, started)
    return record


def _write(job: ShardJob, name: str, rows: list[Row], items: Sequence[Item], started: float) -> ShardRecord:
    schema = job.stage.output
    row_group = (schema.metadata or {}).get(b"row_group")
    with timed("write"):
        table = as_table(rows, schema.with_metadata({"wider8k.row_fingerprint": job.row_fingerprint}))
        data = encode(table, int(row_group) if row_group else None)
        job.store.write(f"{job.folder}/{name}.parquet", data)
    failed = [row for row in rows if row["error"] is not None] if "error" in schema.names else []
    record = ShardRecord(
        name=name,
        row_fingerprint=job.row_fingerprint,
        rows=len(rows),
        size=len(data),
        content_hash=hash_bytes(data),
        items=_item_columns(table, items, planned_with(schema) if isinstance(job.stage, MapStage) else ()),
        errors=[(str(row[schema.names[0]]), redact(str(row["error"]))) for row in failed],
        seconds=round(time.monotonic() - started, 3),
        peak_mb=peak_memory_mb(),
        host=this_process(),
        measured=take_measures(),
    )
    job.store.write(f"{job.folder}/{name}.json", record.to_json())  # last: its presence is the success
    if name in job.damaged:
        job.store.delete(f"{job.folder}/{name}{DAMAGED}")
    return record


def _item_columns(table: pa.Table, items: Sequence[Item], more: Sequence[str]) -> pa.RecordBatch:
    """Returns key and version of every item, and more columns of its row."""
    texts = {KEY: [item.key for item in items], VERSION: [item.version for item in items]}
    return item_columns({**texts, **table.select(more).to_pydict()})


def peak_memory_mb() -> int:
    """Returns the largest resident memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
