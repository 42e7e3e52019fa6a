"""The list of an output's rows: what later nodes plan with is in one file, which is checked like a shard."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pyarrow.dataset as ds
import pytest

from pipeline.engine.manifest import Artifact
from pipeline.engine.plan import Decision
from pipeline.engine.row_list import planned_with
from pipeline.engine.shard_record import DAMAGED, DamagedError
from pipeline.engine.storage import Store
from tests.engine.conftest import World
from tests.engine.squares import NUMBERS, Numbers, Squares

LISTED = NUMBERS.with_metadata({"planned_with": "value,error"})


class Reads(Store):
    """A store that remembers what is read."""

    names: ClassVar[list[str]] = []

    def read_buffer(self, name: str):  # type: ignore[no-untyped-def]
        self.names.append(name)
        return super().read_buffer(name)


@pytest.fixture
def listed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    for stage in (Numbers, Squares):
        monkeypatch.setattr(stage, "output", LISTED)
    monkeypatch.setattr(Squares, "inputs", {"numbers": Squares.inputs["numbers"]})
    return world


def artifact(world: World, node: str = "numbers") -> Artifact:
    found = world.plan()[node].artifact
    assert found is not None
    return found


def row_list(world: World, node: str = "numbers") -> Path:
    manifest = artifact(world, node).manifest
    assert manifest.row_list is not None
    return Path(world.store.path(f"{manifest.folder}/{manifest.row_list.name}.parquet"))


def values(found: Artifact) -> dict[str, int]:
    table = found.listing(["value"])
    return dict(zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True))


def test_the_columns_are_those_of_the_schema() -> None:
    assert planned_with(LISTED) == ("value", "error")
    assert planned_with(NUMBERS) == ()


def test_the_rows_are_listed_without_reading_a_shard(listed: World) -> None:
    listed.run()
    found = artifact(listed)
    store = Reads(listed.store.url)
    far = Artifact(store, found.manifest)
    assert values(far) == {f"n{i:03d}": i for i in range(10)}
    assert far.keys().to_pylist() == [row["image_id"] for row in found.rows()]
    assert {name.rpartition("/")[2] for name in store.names} == {row_list(listed).name}


def test_a_folder_of_shards_is_read_without_its_list(listed: World) -> None:
    listed.run()
    path = row_list(listed, "squares")
    assert path.is_file() and len(list(path.parent.glob("shard-*.parquet"))) == 5
    found = ds.dataset(path.parent, format="parquet", exclude_invalid_files=True).to_table()
    assert sorted(found["value"].to_pylist()) == [i * i for i in range(10)]


def test_rows_of_several_runs_are_listed_as_they_are_read(listed: World) -> None:
    listed.run()
    (listed.folder / "numbers.txt").write_text("".join(f"n{i:03d} {70 if i == 4 else i}\n" for i in range(1, 12)))
    listed.run()
    for node in ("numbers", "squares"):
        found = artifact(listed, node)
        assert values(found) == {row["image_id"]: row["value"] for row in found.rows()}
        assert list(values(found)) == [row["image_id"] for row in found.rows()]
        shards = {key: entry.name for entry in found.manifest.shards for key in keys_of(found, entry.name)}
        table = found.listing()
        assert dict(zip(table["key"].to_pylist(), table["shard"].to_pylist(), strict=True)) == shards


def keys_of(found: Artifact, shard: str) -> list[str]:
    keys: list[str] = found.table(shard, ["image_id"]).column(0).to_pylist()
    return keys


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_a_damaged_list_costs_no_row_and_is_written_again(listed: World, damage: str) -> None:
    listed.run()
    listed.traced()
    path = row_list(listed, "squares")
    good, found = path.read_bytes(), artifact(listed, "squares")
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(good[:-1])
    else:
        path.write_bytes(good[:50] + bytes([good[50] ^ 1]) + good[51:])
        assert listed.plan()["squares"].decision is Decision.REUSE  # only reading it shows
        with pytest.raises(DamagedError, match=rf"{path.name} is damaged"):
            found.keys()
    planned = listed.plan()["squares"]
    assert planned.decision is Decision.RESUME
    assert planned.reason == f"10 of 10 items stored, 0 to do in 0 shards; damaged or missing: {path.stem}"
    assert listed.run().computed == ["squares"]
    assert listed.traced() == []
    assert path.read_bytes() == good
    assert not list(listed.folder.rglob(f"*{DAMAGED}"))


def test_verification_finds_a_damaged_list_and_takes_back_a_marker(listed: World) -> None:
    listed.run()
    path, manifest = row_list(listed), artifact(listed).manifest
    good = path.read_bytes()
    path.write_bytes(good[:50] + bytes([good[50] ^ 1]) + good[51:])
    assert manifest.verify(listed.store) == manifest.broken(listed.store) == [path.stem]
    path.write_bytes(good)
    assert manifest.verify(listed.store) == manifest.broken(listed.store) == []
