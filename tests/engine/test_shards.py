"""Computing one shard: its rows in the order of the items, item by item after a death, and nothing left behind."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.engine.executor import LocalExecutor
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.shard_record import ShardRecord, finished_shards
from pipeline.engine.shards import ShardJob, Worker, compute_shard, compute_whole, encode, shard_name
from pipeline.engine.stage import Item, Resources, Row, StageContext
from pipeline.engine.storage import Store
from pipeline.engine.watch import Watch
from pipeline.engine.worker_group import RESTARTS
from pipeline.engine.worker_reports import WorkerReports
from tests.engine.conftest import World
from tests.engine.squares import Numbers, Squares, Total

SCHEMA = pa.schema([pa.field("name", pa.string()), pa.field("values", pa.list_(pa.float32()))])
FOLDER = "numbers/r"
ITEMS = [Item(f"n{n:03d}", str(n), {"value": n}) for n in (3, 1, 2, 0)]


class Died(BaseException):
    """The death of a process: nothing catches it, so that the store is as a killed process leaves it."""


@pytest.fixture
def job(tmp_path: Path) -> ShardJob:
    ctx = StageContext("numbers", None, Resources(), {})
    return ShardJob(Store(str(tmp_path)), FOLDER, "r", "run1", Numbers(), ctx)


def rows(items: Sequence[Item]) -> Iterator[Row]:
    for item in items:
        yield {"image_id": item.key, "value": item.data["value"], "error": None}


def compute(job: ShardJob, worker: Worker, items: Sequence[Item]) -> ShardRecord:
    return compute_shard(job, worker, items, Watch())


def stored(job: ShardJob, record: ShardRecord) -> list[tuple[str, int, str | None]]:
    table = pq.read_table(io.BytesIO(job.store.read(f"{FOLDER}/{record.name}.parquet")))
    return [(row["image_id"], row["value"], row["error"]) for row in table.to_pylist()]


def dies_on(*keys: str, seen: list[str]) -> Callable[[Sequence[Item]], Iterator[Row]]:
    def work(items: Sequence[Item]) -> Iterator[Row]:
        for item in items:
            seen.append(item.key)
            if item.key in keys:
                raise Died(item.key)
            yield from rows([item])

    return work


def deaths(job: ShardJob, worker: Callable[[Sequence[Item]], Iterator[Row]]) -> tuple[int, ShardRecord]:
    """Tries until the shard is done; returns how often it died."""
    for count in range(20):
        try:
            return count, compute(job, worker, ITEMS)
        except Died:
            continue
    raise AssertionError("the shard is never done")


def test_rows_and_record_are_in_the_order_of_the_items(job: ShardJob) -> None:
    record = compute(job, rows, ITEMS)
    assert stored(job, record) == [("n003", 3, None), ("n001", 1, None), ("n002", 2, None), ("n000", 0, None)]
    assert record.items.to_pydict() == {"key": ["n003", "n001", "n002", "n000"], "version": ["3", "1", "2", "0"]}
    assert record.name == shard_name(ITEMS) != shard_name(ITEMS[::-1])


def test_the_record_holds_what_was_written(job: ShardJob) -> None:
    record = compute(job, lambda items: ({**r, "error": "bad" if r["value"] > 1 else None} for r in rows(items)), ITEMS)  # fmt: skip
    data = job.store.read(f"{FOLDER}/{record.name}.parquet")
    assert (record.rows, record.size, record.content_hash) == (4, len(data), hash_bytes(data))
    assert record.errors == [("n003", "bad"), ("n002", "bad")]
    assert 0 <= record.seconds < 60
    assert 20 < record.peak_mb < 100_000
    assert ShardRecord.from_json(job.store.read(f"{FOLDER}/{record.name}.json")) == record
    assert finished_shards(job.store, FOLDER, "r") == [record]
    assert finished_shards(job.store, FOLDER, "another") == []


def test_nothing_else_is_left_behind(job: ShardJob) -> None:
    record = compute(job, rows, ITEMS)
    assert set(job.store.sizes(FOLDER)) == {f"{record.name}.parquet", f"{record.name}.json"}
    assert job.store.sizes(f"{FOLDER}/_inflight") == {}


def test_while_it_works_a_marker_shows_its_progress(job: ShardJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.engine.heartbeat.SECONDS_BETWEEN", 0)
    seen: dict[str, bytes] = {}

    def work(items: Sequence[Item]) -> Iterator[Row]:
        for row in rows(items):
            yield row
            seen.update(
                {name: job.store.read(f"{FOLDER}/_inflight/{name}") for name in job.store.sizes(f"{FOLDER}/_inflight")}
            )

    record = compute(job, work, ITEMS)
    assert seen.keys() == {f"run1-{record.name}", f"run1-{record.name}.progress"}
    assert seen[f"run1-{record.name}.progress"] == b"3/4"
    (own,) = json.loads(seen[f"run1-{record.name}"])
    assert (own["machine"], own["key"], own["overdue"]) == (socket.gethostname(), None, 0)


def test_no_marker_is_left_by_a_node_that_failed(world: World) -> None:
    (world.folder / "trouble").touch()
    flaky = (f"squares.path={world.folder / 'trouble'}", "squares.flaky=true", "squares.run.max_error_share=0.05")
    assert "2 of 10 rows are errors" in world.run(*flaky).failed["squares"]
    folder = f"squares/{world.plan(*flaky)['squares'].row_fingerprint}"
    assert len(world.store.sizes(folder)) == 10
    assert world.store.sizes(f"{folder}/_inflight") == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found[::-1], "gave the row of n000 where n003 was due"),
        (lambda found: [found[0], *found], "gave the row of n003 where n001 was due"),
        (lambda found: found[:-1], "gave 3 rows for 4 items"),
        (lambda found: [], "gave 0 rows for 4 items"),
    ],
)
def test_rows_that_are_not_those_of_the_items_are_refused(
    job: ShardJob, change: Callable[[list[Row]], list[Row]], words: str
) -> None:
    with pytest.raises(RuntimeError, match=f"Numbers {words}"):
        compute(job, lambda items: iter(change(list(rows(items)))), ITEMS)
    assert job.store.sizes(FOLDER) == {}


def test_what_kills_its_process_costs_itself_only(job: ShardJob) -> None:
    seen: list[str] = []
    count, record = deaths(job, dies_on("n001", seen=seen))
    assert count == 3
    # Once all together without a name, then one by one, each named; and the last time without it.
    assert seen == ["n003", "n001"] * 3 + ["n003", "n002", "n000"]
    message = "its worker process died 3 times on it"
    assert [(key, error) for key, _, error in stored(job, record)] == [
        ("n003", None), ("n001", message), ("n002", None), ("n000", None),
    ]  # fmt: skip
    assert [value for _, value, error in stored(job, record) if error is None] == [3, 2, 0]
    assert record.errors == [("n001", message)]
    died = WorkerReports(job.store, job.run_id).new(FOLDER).events
    assert [(each["event"], each["attempt"]) for each in died] == [("worker died", count) for count in (1, 2, 3)]
    assert all(name.endswith(".event") for name in job.store.sizes(f"{FOLDER}/_inflight"))


def test_two_that_kill_cost_two(job: ShardJob) -> None:
    count, record = deaths(job, dies_on("n003", "n000", seen=[]))
    assert count == 5
    assert [key for key, _ in record.errors] == ["n003", "n000"]


def test_a_process_that_died_of_something_else_costs_nothing(job: ShardJob) -> None:
    left = [2]

    def work(items: Sequence[Item]) -> Iterator[Row]:
        for row in rows(items):
            if left[0]:
                left[0] -= 1
                raise Died
            yield row

    count, record = deaths(job, work)
    assert (count, record.errors) == (2, [])


def test_a_shard_that_kills_as_it_is_written_ends_the_node(job: ShardJob) -> None:
    class Kills(Store):
        def write(self, name: str, data: bytes) -> None:
            if name.endswith(".parquet"):
                raise Died
            super().write(name, data)

    broken = replace(job, store=Kills(job.store.url))
    with pytest.raises(ValueError, match=rf"^its process died {RESTARTS + 1} times$"):
        deaths(broken, rows)


def test_a_whole_stage_whose_process_always_dies_is_given_up(job: ShardJob) -> None:
    ends: list[BaseException] = [Died(), Died(), ValueError("a mistake"), Died(), Died()]

    class Dies(Total):
        def run(self, ctx: StageContext) -> Iterable[Row]:
            if ends:
                raise ends.pop(0)
            return [{"total": 7}]

    whole = replace(job, stage=Dies())
    for expected in (Died, Died, ValueError, Died, Died):  # a mistake of its own is no death, and ends the counting
        with pytest.raises(expected):
            compute_whole(whole, restarts=2)
    with pytest.raises(ValueError, match=r"^its process died 2 times$"):
        compute_whole(whole, restarts=1)
    assert ends == []
    assert compute_whole(whole, restarts=1).rows == 1


def test_deaths_of_another_run_do_not_count(job: ShardJob) -> None:
    for run in ("run1", "run2", "run3", "run4"):
        with pytest.raises(Died):
            compute(replace(job, run_id=run), dies_on("n001", seen=[]), ITEMS)
    assert compute(replace(job, run_id="run5"), rows, ITEMS).errors == []


def test_the_file_is_there_before_its_record(job: ShardJob, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails(Store):
        def write(self, name: str, data: bytes) -> None:
            if name.endswith(".json"):
                raise OSError("no space left")
            super().write(name, data)

    with pytest.raises(OSError, match="no space left"):
        compute(replace(job, store=Fails(job.store.url)), rows, ITEMS)
    assert set(job.store.sizes(FOLDER)) == {f"{shard_name(ITEMS)}.parquet"}
    assert finished_shards(job.store, FOLDER, "r") == []


def test_finished_shards_are_listed_by_name_and_only_if_whole(job: ShardJob) -> None:
    parts = [ITEMS[:1], ITEMS[1:2], ITEMS[2:3], ITEMS[3:]]
    records = [compute(job, rows, part) for part in parts]
    assert finished_shards(job.store, FOLDER, "r") == sorted(records, key=lambda r: r.name)
    cut, gone, unread, whole = records
    job.store.write(f"{FOLDER}/{cut.name}.parquet", job.store.read(f"{FOLDER}/{cut.name}.parquet")[:-1])
    job.store.delete(f"{FOLDER}/{gone.name}.parquet")
    job.store.write(f"{FOLDER}/{unread.name}.json", b"{half")
    job.store.write(f"{FOLDER}/notes.json", b"{}")
    assert finished_shards(job.store, FOLDER, "r") == [whole]


def test_a_record_of_another_layout_is_none(job: ShardJob) -> None:
    record = compute(job, rows, ITEMS[:1])
    data = record.to_json()
    assert all(ShardRecord.from_json(data[:stop]) is None for stop in range(len(data)))
    fields = json.loads(data)
    for name in ("name", "row_fingerprint", "rows", "size", "content_hash", "items", "errors"):
        assert ShardRecord.from_json(json.dumps({k: v for k, v in fields.items() if k != name}).encode()) is None
    assert ShardRecord.from_json(json.dumps({**fields, "items": [["a"]]}).encode()) is None


def test_keys_of_any_script_are_kept_readable(job: ShardJob) -> None:
    item = Item("Gesicht-größer/日本.jpg", "1", {"value": 1})
    data = compute(job, rows, [item]).to_json()
    assert item.key.encode() in data


def test_a_whole_stage_finds_its_workplace_and_gives_one_shard(world: World) -> None:
    world.run()
    plans = world.plan()
    row_fingerprint = plans["total"].row_fingerprint
    assert set(world.store.sizes(f"total/{row_fingerprint}")) - {f"manifest-{plans['total'].fingerprint}.json"} == {
        "whole.parquet", "whole.json",
    }  # fmt: skip
    record = ShardRecord.from_json(world.store.read(f"total/{row_fingerprint}/whole.json"))
    assert record is not None
    assert record.items.to_pydict() == {"key": ["whole"], "version": [row_fingerprint]}
    assert (record.rows, record.row_fingerprint) == (1, row_fingerprint)
    assert isinstance(LocalExecutor().machines(), tuple)


def test_names_of_stored_shards_stay_what_they_were() -> None:
    # BLAKE2b-64 of the keys and versions, see `hash_texts`: another name would compute every stored shard again.
    assert shard_name([Item("n003", "3"), Item("größe", "1", {"value": 7})]) == "shard-9001159d42321a95"


def test_only_texts_are_kept_in_a_dictionary(job: ShardJob) -> None:
    record = compute(job, rows, ITEMS)
    group = pq.ParquetFile(io.BytesIO(job.store.read(f"{FOLDER}/{record.name}.parquet"))).metadata.row_group(0)
    kinds = {group.column(i).path_in_schema: group.column(i).has_dictionary_page for i in range(group.num_columns)}
    assert kinds["image_id"]
    assert not kinds["value"]


def _table(rows: int) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.Table.from_pylist(
        [{"name": f"n{i % 3}", "values": rng.random(4).astype(np.float32)} for i in range(rows)], schema=SCHEMA
    )


def test_without_a_row_group_the_bytes_are_pyarrows_own() -> None:
    table, sink = _table(7), io.BytesIO()
    pq.write_table(
        table, sink, compression="zstd", use_dictionary=["name"], use_byte_stream_split=["values.list.element"]
    )
    assert encode(table) == sink.getvalue()


@pytest.mark.parametrize(("rows", "group", "wanted"), [(7, None, [7]), (7, 1, [1] * 7), (7, 3, [3, 3, 1])])
def test_rows_of_a_group(rows: int, group: int | None, wanted: list[int]) -> None:
    table = _table(rows)
    data = encode(table, group)
    file = pq.ParquetFile(io.BytesIO(data))
    assert [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)] == wanted
    assert file.read().equals(table)
    assert encode(table, group) == data


def test_the_schema_of_a_stage_sets_the_row_group(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def groups(node: str) -> set[tuple[int, int]]:
        files = (pq.ParquetFile(path) for path in (world.folder / "store" / node).rglob("shard-*.parquet"))
        return {(file.metadata.num_rows, file.metadata.num_row_groups) for file in files}

    monkeypatch.setattr(Squares, "output", Squares.output.with_metadata({"row_group": "1"}))
    assert not world.run().failed
    assert groups("numbers") == {(4, 1), (2, 1)}
    assert groups("squares") == {(2, 2)}
