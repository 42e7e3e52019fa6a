"""One flipped bit anywhere in a store: never another answer, and repaired by the next run that reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.engine.checksummed_json import verified
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.manifest import Artifact, load_manifest, manifest_name
from pipeline.engine.plan import Decision
from pipeline.engine.shard_record import DAMAGED, DamagedError, ShardRecord
from tests.engine.conftest import World

TOTAL = sum(i**2 + i**3 for i in range(10))


def flip(path: Path, place: int, bit: int = 0) -> bytes:
    """Changes one bit of a file; returns what it was. The time of the last change stays, as when a disk rots."""
    good = path.read_bytes()
    path.write_bytes(flipped(good, place, bit))
    return good


def flipped(data: bytes, place: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


def artifact(world: World, node: str) -> Artifact:
    found = world.plan()[node].artifact
    assert found is not None
    return found


def shard(world: World, node: str, number: int = 0) -> Path:
    manifest = artifact(world, node).manifest
    return Path(world.store.path(f"{manifest.folder}/{manifest.shards[number].name}.parquet"))


def rotten(world: World, node: str, number: int = 0, part: float = 0.3) -> Path:
    """Flips a bit in the middle of a shard."""
    path = shard(world, node, number)
    flip(path, int(path.stat().st_size * part))
    return path


def test_no_flip_in_any_byte_of_a_shard_is_read(world: World) -> None:
    world.run()
    squares, path = artifact(world, "squares"), shard(world, "squares")
    good = path.read_bytes()
    for place in range(0, len(good), 17):
        path.write_bytes(flipped(good, place, place % 8))
        for columns in (None, ["value"]):
            with pytest.raises(DamagedError, match=rf"^squares/.*{path.stem}.parquet is damaged: expected the"):
                squares.table(path.stem, columns)
    path.write_bytes(good)
    assert squares.table(path.stem)["value"].to_pylist() == [0, 1]


def test_no_flip_in_a_record_or_a_manifest_is_read(world: World) -> None:
    world.run()
    manifest = artifact(world, "squares").manifest
    record = world.store.read(f"{manifest.folder}/{manifest.shards[0].name}.json")
    assert ShardRecord.from_json(record) is not None
    name = manifest_name("squares", manifest.row_fingerprint, manifest.fingerprint)
    data = world.store.read(name)
    for bit in (0, 5):
        assert [p for p in range(len(record)) if ShardRecord.from_json(flipped(record, p, bit)) is not None] == []
    for place in range(0, len(data), 3):
        Path(world.store.path(name)).write_bytes(flipped(data, place, place % 8))
        assert load_manifest(world.store, "squares", manifest.row_fingerprint, manifest.fingerprint) is None, place


def test_a_file_without_its_checksum_is_not_read(world: World) -> None:
    world.run()
    for file in world.folder.rglob("store/*/*/*.json"):
        text = file.read_text()
        assert '"checksum"' in text[text.rindex(",") :]
        with pytest.raises(ValueError, match="expected the checksum .*, found None"):
            verified((text[: text.rindex(",")] + "}").encode())


@pytest.mark.parametrize("part", [0.01, 0.2, 0.4, 0.6, 0.8, 0.99])
def test_a_damaged_shard_is_named_and_computed_again_by_the_run_that_reads_it(
    world: World, capsys: pytest.CaptureFixture[str], part: float
) -> None:
    world.run()
    world.traced()
    path = shard(world, "squares", 1)
    good = flip(path, int(len(path.read_bytes()) * part))
    keys = ["n002", "n003"]
    capsys.readouterr()
    outcome = world.run(force=frozenset({"total"}))
    assert f"squares: damaged: {path.stem}; computed again" in capsys.readouterr().err
    assert (outcome.computed, outcome.failed, outcome.blocked) == (["squares", "total"], {}, [])
    assert sorted(outcome.reused) == ["cubes", "numbers"]
    assert world.traced() == keys
    assert path.read_bytes() == good
    assert world.total() == TOTAL
    assert not list(world.folder.rglob(f"*{DAMAGED}"))


def test_all_damage_of_an_output_is_repaired_at_once(world: World) -> None:
    world.run()
    world.traced()
    for number in (0, 2, 4):
        rotten(world, "squares", number)
    rotten(world, "cubes", 1)
    outcome = world.run(force=frozenset({"total"}))
    assert sorted(world.traced()) == ["n000", "n001", "n004", "n005", "n008", "n009"]
    assert not outcome.failed
    assert world.total() == TOTAL


def test_a_plan_reports_damage_and_the_run_repairs_it(world: World) -> None:
    world.run()
    path = rotten(world, "numbers", 1)  # it holds the items of squares
    plans = world.plan("squares.power=4")
    assert plans["numbers"].decision is Decision.RESUME
    assert plans["numbers"].reason == f"6 of 10 items stored, 4 to do in 1 shards; damaged or missing: {path.stem}"
    outcome = world.run("squares.power=4")
    assert outcome.computed == ["numbers", "squares", "total"]
    assert outcome.reused == ["cubes"]
    assert world.total() == sum(i**4 + i**3 for i in range(10))


def test_nothing_is_computed_from_rows_that_another_bit_would_have_changed(world: World) -> None:
    """A store with a flip in every shard of its root: what is added later is right."""
    world.run()
    for path in [shard(world, "numbers", number) for number in range(3)]:
        flip(path, 100)
    world.numbers(range(12))
    assert not world.run().failed
    assert world.total() == sum(i**2 + i**3 for i in range(12))


def test_a_damaged_output_of_a_whole_stage_is_computed_again_where_it_is_read(world: World) -> None:
    world.run()
    rotten(world, "total")
    world.store.delete("total.txt")  # so that it is to be copied once more
    outcome = world.run()
    assert (outcome.computed, sorted(outcome.reused)) == (["total"], ["cubes", "numbers", "squares"])
    assert world.total() == TOTAL


def test_a_damaged_manifest_is_named_and_costs_no_row(world: World) -> None:
    world.run()
    world.traced()
    manifest = artifact(world, "squares").manifest
    flip(Path(world.store.path(manifest_name("squares", manifest.row_fingerprint, manifest.fingerprint))), 40)
    assert world.plan()["squares"].reason.endswith("0 to do in 0 shards; damaged or missing: its manifest")
    outcome = world.run()
    assert outcome.computed == ["squares"]
    assert world.traced() == []
    assert world.total() == TOTAL


def test_a_damaged_record_is_named_where_it_is_needed(world: World) -> None:
    world.run()
    world.traced()
    manifest = artifact(world, "squares").manifest
    name = manifest.shards[0].name
    flip(Path(world.store.path(f"{manifest.folder}/{name}.json")), 200)
    assert ShardRecord.from_json(world.store.read(f"{manifest.folder}/{name}.json")) is None
    assert world.plan()["squares"].decision is Decision.REUSE  # the rows are as they were, and the manifest knows them
    world.numbers(range(11))
    world.run(selected=frozenset({"numbers"}))
    assert f"; damaged or missing: {name}" in world.plan()["squares"].reason
    assert not world.run().failed
    assert sorted(world.traced()) == ["n000", "n001", "n010"]
    assert world.total() == sum(i**2 + i**3 for i in range(11))


def test_damage_of_what_is_not_selected_is_named_and_not_computed(world: World) -> None:
    world.run()
    world.traced()
    path = rotten(world, "squares")
    outcome = world.run(selected=frozenset({"total"}), force=frozenset({"total"}))
    assert path.stem in outcome.failed["total"]
    assert "the next `wider8k run` computes it again, with --force squares all of squares" in outcome.failed["total"]
    assert world.traced() == []
    alone = world.plan(selected=frozenset({"total"}))
    assert alone["squares"].reason == f"not selected, and of what is stored damaged or missing: {path.stem}"
    assert world.run().computed == ["squares"]
    assert world.traced() == ["n000", "n001"]


def test_verification_and_plan_agree_and_a_misreading_is_taken_back(world: World) -> None:
    world.run()
    manifest, path = artifact(world, "squares").manifest, shard(world, "squares")
    good = flip(path, 100)
    assert world.plan()["squares"].decision is Decision.REUSE  # of the same size: only reading it shows
    assert manifest.verify(world.store) == [path.stem]
    assert world.plan()["squares"].decision is Decision.RESUME
    path.write_bytes(good)
    assert manifest.verify(world.store) == []
    assert world.plan()["squares"].decision is Decision.REUSE


class FailingDisk(LocalExecutor):
    """Every shard of `squares` has another bit as soon as it is written."""

    def shards(self, job, todo) -> Iterator[ShardRecord]:  # type: ignore[no-untyped-def]
        for record in super().shards(job, todo):
            if job.ctx.node == "squares":
                flip(Path(job.store.path(f"{job.folder}/{record.name}.parquet")), 50)
            yield record


def test_a_disk_that_spoils_everything_ends_the_run(world: World) -> None:
    outcome = world.run(executor=FailingDisk)
    assert "damaged again: the disk of" in outcome.failed["squares"]
    assert not list(world.folder.glob("store/total/*/manifest-*"))


def test_what_fails_for_another_reason_has_no_second_turn(world: World) -> None:
    with (world.folder / "config.yaml").open("a") as config:
        config.write("  sum: {stage: total, inputs: {numbers: [squares]}}\n")
        config.write("  bad: {stage: total, broken: true, inputs: {numbers: [cubes]}}\n")
    world.run(selected=frozenset({"numbers", "squares", "cubes"}))
    rotten(world, "squares")
    outcome = world.run()
    assert outcome.failed == {"bad": "RuntimeError: set to break"}
    assert outcome.computed == ["squares", "total", "sum"] or outcome.computed == ["squares", "sum", "total"]
    logs = "".join(file.read_text() for file in world.folder.rglob("runs/*.jsonl")).splitlines()
    messages = [event["line"] for event in map(json.loads, logs) if event["event"] == "message"]
    assert any(line.startswith("squares: damaged: shard-") for line in messages)
    ended = [event["node"] for event in map(json.loads, logs) if event["event"] in ("node ended", "node failed")]
    assert (ended.count("bad"), ended.count("sum")) == (1, 2)


@pytest.fixture
def read_only(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def refuse() -> None:
        def write(name: str, data: bytes) -> None:
            raise PermissionError(13, "Permission denied", name)

        monkeypatch.setattr("pipeline.engine.storage.write_whole", lambda path, data: write(path, data))

    return refuse


def test_damage_in_a_store_that_takes_no_note_is_an_error_that_names_it(
    world: World, read_only: Callable[[], None]
) -> None:
    world.run()
    path = rotten(world, "numbers")
    read_only()
    with pytest.raises(DamagedError, match=rf"numbers/.*{path.stem}.*the store takes no note of it, with --force"):
        world.plan("squares.power=4")
