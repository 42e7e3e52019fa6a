"""Manifests of finished outputs, and what their readers get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.engine.executor import LocalExecutor
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.manifest import Artifact, Manifest, ShardEntry, finish, load_manifest, stored_manifests
from pipeline.engine.row_list import RowList
from pipeline.engine.shard_record import ReusedShard, ShardRecord, item_columns
from pipeline.engine.shards import ShardJob, encode
from pipeline.engine.stage import Item
from pipeline.engine.storage import Store
from tests.engine.conftest import World

ONE = ShardEntry("shard-1", 10, 3, "c1", 1.5)
TWO = ShardEntry("shard-2", 20, 2, "c2", 1.0, ("a", "b"))
BASE = Manifest("n", "f", "r", {"params": {"x": 1}}, "image_id")


def manifest(*shards: ShardEntry) -> Manifest:
    return replace(BASE, shards=shards)


@pytest.fixture
def done(world: World) -> Artifact:
    world.run()
    return Artifact(world.store, stored_manifests(world.store, "squares")[0])


def test_the_content_hash_is_of_the_rows_and_not_of_their_place() -> None:
    content = manifest(ONE, TWO).content_hash
    assert manifest(TWO, ONE).content_hash == content
    moved = replace(
        manifest(replace(ONE, name="x", size=1), TWO), node="m", row_fingerprint="q", fingerprint="g", rows=9
    )
    assert moved.content_hash == content
    others = [
        manifest(ONE),
        manifest(ONE, TWO, TWO),
        manifest(replace(ONE, content_hash="c3"), TWO),
        manifest(ONE, replace(TWO, keys=("a",))),
        manifest(ONE, replace(TWO, keys=None)),
    ]
    assert len({content, *(each.content_hash for each in others)}) == 6


def record(name: str, keys: str, failed: str = "") -> ShardRecord:
    items = item_columns({"key": list(keys), "version": ["s"] * len(keys)})
    return ShardRecord(name, "r", len(keys), 7, f"c-{name}", items, [(key, "bad") for key in failed], 1.0, 1, "h")


def test_an_output_counts_the_rows_and_errors_that_count() -> None:
    made = finish(
        BASE, [ReusedShard(record("s1", "abc", "c"), None, 0), ReusedShard(record("s2", "xyz", "xz"), ("x", "y"), 3)]
    )
    assert made.shards == (ShardEntry("s1", 7, 3, "c-s1", 1.0), ShardEntry("s2", 7, 2, "c-s2", 0.667, ("x", "y")))
    assert made.rows == 5
    assert made.errors == (("c", "bad"), ("x", "bad"))
    assert replace(made, shards=(), rows=0, errors=()) == BASE


def test_a_manifest_is_read_as_it_was_written(world: World) -> None:
    listed = RowList("rows-f", 9, "c", ("value",))
    made = replace(manifest(ONE, TWO), rows=5, errors=(("a", "bad"),), run={"finished": 1.5}, row_list=listed)
    made.save(world.store)
    assert load_manifest(world.store, "n", "r", "f") == made
    assert load_manifest(world.store, "n", "r", "another") is None
    assert made.folder == "n/r"


@pytest.mark.parametrize(
    "content", [b"", b"{half", b"[]", b"7", b"{}", b'{"shards": [], "errors": []}', b'{"shards": [7]}']
)
def test_what_is_no_manifest_is_none(world: World, content: bytes) -> None:
    world.store.write("n/r/manifest-f.json", content)
    assert load_manifest(world.store, "n", "r", "f") is None
    assert stored_manifests(world.store, "n") == []


def test_the_newest_comes_first(world: World) -> None:
    for name, finished in (("f1", 2.0), ("f2", 3.0), ("f3", 1.0)):
        replace(BASE, fingerprint=name, row_fingerprint=f"r-{name}", run={"finished": finished}).save(world.store)
    replace(BASE, fingerprint="f4").save(world.store)
    world.store.write("n/r/copy-of-a-manifest.json", world.store.read("n/r/manifest-f4.json"))
    assert [each.fingerprint for each in stored_manifests(world.store, "n")] == ["f2", "f1", "f3", "f4"]


def test_broken_are_shards_without_file_or_record_or_of_another_size(world: World, done: Artifact) -> None:
    names, folder = [entry.name for entry in done.manifest.shards], done.manifest.folder
    assert done.manifest.broken(world.store) == done.manifest.verify(world.store) == []
    data = world.store.read(f"{folder}/{names[0]}.parquet")
    world.store.write(f"{folder}/{names[0]}.parquet", data + b"x")
    world.store.delete(f"{folder}/{names[1]}.parquet")
    world.store.delete(f"{folder}/{names[2]}.json")
    assert done.manifest.broken(world.store) == names[:3]
    assert set(names[:2]) <= set(done.manifest.verify(world.store)) <= set(names[:3])


def test_only_the_keys_that_count_are_read(world: World, done: Artifact) -> None:
    first, *rest = done.manifest.shards
    part = Artifact(world.store, replace(done.manifest, shards=(replace(first, keys=("n001",)), *rest)))
    assert [row["image_id"] for row in part.rows()] == [f"n{i:03d}" for i in range(1, 10)]
    assert part.table(first.name, ["value"]).to_pydict() == {"value": [1]}
    assert part.table(rest[0].name, ["value"]).to_pydict() == {"value": [4, 9]}
    assert part.table(first.name, ["value", "image_id"]).to_pydict() == {"value": [1], "image_id": ["n001"]}
    assert [table.num_rows for table in part.tables(["value"])] == [1, 2, 2, 2, 2]
    assert next(part.rows(["value"])) == {"value": 1}
    assert part.table(first.name).column_names == ["image_id", "value", "error"]


def listed(artifact: Artifact) -> list[tuple[str, str, str]]:
    return [tuple(row.values()) for row in artifact.listing().to_pylist()]


def test_a_row_is_listed_with_a_version_of_the_bytes_of_its_shard(world: World, done: Artifact) -> None:
    # 64 bits of it: another version would compute everything again that is made from stored rows.
    wanted = [
        (f"n{number:03d}", entry.content_hash[:16], entry.name)
        for first, entry in zip(range(0, 10, 2), done.manifest.shards, strict=True)
        for number in (first, first + 1)
    ]
    assert listed(done) == wanted
    assert done.keys().to_pylist() == [key for key, _, _ in wanted]
    (world.folder / "numbers.txt").write_text("".join(f"n{i:03d} {70 if i == 7 else i}\n" for i in range(10)))
    world.run()
    after = {key: version for key, version, _ in listed(squares(world))}
    assert [key for key, version, _ in wanted if after[key] != version] == ["n007"]


def test_columns_that_are_not_listed_are_read_from_the_shards(done: Artifact) -> None:
    assert done.listing(["value"]).select(["key", "value"]).to_pydict() == {
        "key": [f"n{i:03d}" for i in range(10)], "value": [i * i for i in range(10)]
    }  # fmt: skip


def test_the_output_of_a_whole_stage_is_listed_by_its_first_column(world: World, done: Artifact) -> None:
    total = Artifact(world.store, stored_manifests(world.store, "total")[0])
    (row,) = total.listing().to_pylist()
    assert (row["key"], row["shard"], total.manifest.row_list) == (world.total(), "whole", None)


def test_an_output_has_the_name_and_parameters_of_its_stage(done: Artifact) -> None:
    assert done.node == "squares"
    assert done.params["power"] == 2


def test_a_damaged_file_is_named_with_what_helps(world: World, done: Artifact) -> None:
    name = done.manifest.shards[0].name
    path = f"{done.manifest.folder}/{name}.parquet"
    world.store.write(path, b"PAR1")
    with pytest.raises(ValueError, match=rf"{path}.*--force squares"):
        done.table(name)
    world.store.delete(path)
    with pytest.raises(ValueError, match=rf"{path}.*--force squares"):
        done.table(name)


def squares(world: World) -> Artifact:
    return Artifact(world.store, stored_manifests(world.store, "squares")[0])


class Timed(LocalExecutor):
    """Every shard takes as many seconds as it has rows, and 10 ms."""

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        for record in super().shards(job, todo):
            slow = replace(record, seconds=record.rows + 0.01)
            job.store.write(f"{job.folder}/{record.name}.json", slow.to_json())
            yield slow


@pytest.mark.parametrize("row_group", [None, 2])
@pytest.mark.parametrize("columns", [None, [], ["b", "key"]])
def test_a_table_is_that_of_its_file_in_chunks_of_its_row_groups(
    row_group: int | None, columns: list[str] | None, world: World
) -> None:
    table = pa.table({"key": list("abcde"), "b": [b"1", None, b"", b"4", b"5"], "c": [[1.5], [], None, [2.5, 3], [4]]})
    data = encode(table.replace_schema_metadata({"unit": "pixel"}), row_group)
    made = replace(BASE, key="key", shards=(ShardEntry("s", len(data), 5, hash_bytes(data), 1.0),))
    world.store.write(f"{made.folder}/s.parquet", bytes(data))
    read = Artifact(world.store, made).table("s", columns)
    expected = pq.read_table(pa.BufferReader(data), columns=columns)
    assert read.equals(expected, check_metadata=True) and read.num_rows == 5
    chunks = [[len(chunk) for chunk in column.chunks] for column in read.columns]
    assert chunks == [[2, 2, 1] if row_group else [5]] * len(expected.columns)


def test_ms_per_row_counts_shards_by_their_rows(world: World) -> None:
    world.numbers(range(5))
    world.run(executor=Timed)
    assert squares(world).ms_per_row() == pytest.approx(1000 * (2.01 + 2.01 + 1.01) / 5)


def test_ms_per_row_counts_shards_of_an_earlier_run_and_rows_that_count(world: World) -> None:
    world.numbers(range(5))
    world.run(executor=Timed)
    world.traced()
    world.numbers((0, 2, 3))
    world.run()
    assert world.traced() == []
    assert squares(world).ms_per_row() == pytest.approx(1000 * (2.01 / 2 + 2.01) / 3)


def test_ms_per_row_is_unknown_without_rows() -> None:
    assert Artifact(Store("."), manifest()).ms_per_row() is None
