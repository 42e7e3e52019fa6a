"""S3: how many requests the engine's work takes, writes of which one wins, keys, and errors that are a disk's."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.engine.object_store import Objects
from pipeline.engine.plan import Decision
from pipeline.engine.storage import Store
from tests.engine.conftest import CONFIG, World
from tests.engine.s3_proxy import Proxy, proxy
from tests.engine.test_runner import NeverExecutor

ONE_EACH = ("numbers.run.shard_rows=1", "squares.run.shard_rows=1", "cubes.run.shard_rows=1")
MAP_NODES = frozenset({"numbers", "squares", "cubes"})


@pytest.fixture
def requests(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxy(os.environ["AWS_ENDPOINT_URL"], 0.002) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made


@pytest.fixture
def world(requests: Proxy, s3_bucket: str, tmp_path: Path) -> World:
    return far_away(tmp_path, Store(f"{s3_bucket}/{tmp_path.name}"))


def far_away(folder: Path, store: Store) -> World:
    (folder / "config.yaml").write_text(CONFIG.format(store=store.url, folder=folder))
    return World(folder, store)


@pytest.fixture
def objects(s3_bucket: str, tmp_path: Path) -> Objects:
    return Objects(f"{s3_bucket}/{tmp_path.name}", "us-east-1")


@pytest.mark.slow
def test_a_shard_is_written_in_three_requests(world: World, requests: Proxy) -> None:
    counts = []
    for numbers in (2, 10):
        world.numbers(range(100 * numbers, 101 * numbers))
        requests.taken()
        world.run(*ONE_EACH, selected=MAP_NODES)
        counts.append(Counter(method for method, path in requests.taken() if "/squares/" in path))
    more = counts[1] - counts[0]
    assert more["PUT"] == 3 * (10 - 2)  # a marker, the rows, the record
    assert more.total() < 4 * (10 - 2)


@pytest.mark.slow
def test_a_plan_of_stored_outputs_takes_as_many_requests_for_many_shards_as_for_few(
    world: World, requests: Proxy
) -> None:
    counts, options = [], {"selected": MAP_NODES, "executor": NeverExecutor}
    for numbers in (2, 8):
        world.numbers(range(numbers))
        world.run(*ONE_EACH, selected=MAP_NODES)
        requests.taken()
        assert world.run(*ONE_EACH, **options).computed == []  # type: ignore[arg-type]
        counts.append(Counter(method for method, _ in requests.taken()))
    # Of each node its manifest and the listing of its shards, and of the one that is not selected no manifest.
    assert counts[0] == counts[1] == {"GET": 3 * 2 + 1}


@pytest.mark.slow
def test_records_are_read_at_once_where_a_run_was_cut_off(world: World, requests: Proxy) -> None:
    world.numbers(range(16))
    world.run(*ONE_EACH, selected=MAP_NODES)
    planned = world.plan(*ONE_EACH, selected=MAP_NODES)["squares"]
    world.store.delete(f"squares/{planned.row_fingerprint}/manifest-{planned.fingerprint}.json")
    requests.taken()
    plans = world.plan(*ONE_EACH, selected=MAP_NODES)
    assert plans["squares"].decision is Decision.RESUME
    assert plans["squares"].reason == "16 of 16 items stored, 0 to do in 0 shards"
    assert requests.at_once >= 10
    records = [path for _, path in requests.taken() if "/squares/" in path and "/shard-" in path]
    assert len(records) == len(set(records)) == 16


def test_of_many_that_create_an_object_one_wins(objects: Objects) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: objects.create("lock", b"%d" % number), range(8)))
    assert made.count(True) == 1
    assert objects.read("lock") == b"%d" % made.index(True)


def test_of_many_that_swap_an_object_one_wins(objects: Objects) -> None:
    assert not objects.swap("lock", b"old", b"new"), "there is none"
    objects.write("lock", b"old")
    assert not objects.swap("lock", b"older", b"new")
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: objects.swap("lock", b"old", b"%d" % number), range(8)))
    assert made.count(True) == 1
    assert objects.read("lock") == b"%d" % made.index(True)


def test_a_swap_between_whose_steps_another_writes_is_none(
    objects: Objects, s3_bucket: str, requests: Proxy, tmp_path: Path
) -> None:
    objects.write("lock", b"old")
    mine = Objects(f"{s3_bucket}/{tmp_path.name}", "us-east-1")  # through the proxy
    requests.fault = lambda method, path: objects.write("lock", b"theirs") if method == "PUT" else None  # type: ignore[func-returns-value]
    assert not mine.swap("lock", b"old", b"mine")
    assert objects.read("lock") == b"theirs"


def test_a_swap_whose_answer_is_lost_is_done(objects: Objects, s3_bucket: str, requests: Proxy, tmp_path: Path) -> None:
    """Repeated by the client, it finds its own object in the way."""
    objects.write("lock", b"old")
    lost = [(500, "InternalError")]
    requests.fault = lambda method, path: lost.pop() if lost and method == "PUT" else None
    assert Objects(f"{s3_bucket}/{tmp_path.name}", "us-east-1").swap("lock", b"old", b"mine")
    assert objects.read("lock") == b"mine"
    assert not lost


def test_a_server_without_conditions_has_the_object_written(
    objects: Objects, s3_bucket: str, requests: Proxy, tmp_path: Path
) -> None:
    objects.write("lock", b"old")
    requests.conditions = False
    assert Objects(f"{s3_bucket}/{tmp_path.name}", "us-east-1").swap("lock", b"old", b"mine")
    assert objects.read("lock") == b"mine"


def test_objects_are_listed_by_folder_by_name_and_all(objects: Objects) -> None:
    for name in ("n/a.json", "n/b-1.json", "n/b-2.json", "n/c.json", "n/deep/er/x", "n2/y"):
        objects.write(name, b"12")
    assert objects.inside("n") == ({"a.json": 2, "b-1.json": 2, "b-2.json": 2, "c.json": 2}, ["deep"])
    assert objects.inside("") == ({}, ["n", "n2"])
    assert objects.named("n", "b-") == ["b-1.json", "b-2.json"]
    assert objects.below("n") == dict.fromkeys(("a.json", "b-1.json", "b-2.json", "c.json", "deep/er/x"), 2)
    objects.delete([f"n/{name}" for name in objects.below("n")])
    assert objects.below("") == {"n2/y": 2}


def test_an_error_of_the_server_is_one_of_a_disk_and_shows_no_keys(
    objects: Objects, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del objects
    with pytest.raises(OSError, match="NoSuchBucket"):
        Objects("s3://KEYID:S3cr3t@no-such-bucket/x", "us-east-1").write("a", b"1")


def test_an_option_that_would_be_ignored_is_refused() -> None:
    found = "found allow_bucket_creation, tls_verify_certificates"
    with pytest.raises(ValueError, match=f"endpoint_override, region, scheme only, {found}"):
        Objects("s3://bucket/x?region=r&tls_verify_certificates=false&allow_bucket_creation=true", "r")


def test_the_options_of_the_url_say_where_the_server_is(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    url = f"{s3_bucket}/{tmp_path.name}?region=us-east-1&scheme=http&endpoint_override={host}"
    Store(url).write("a/b", b"12")
    assert Store(url).below("") == {"a/b": 2}


def test_keys_of_a_profile_are_taken_where_the_environment_has_none(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    (tmp_path / "credentials").write_text("[mine]\naws_access_key_id = PROFILEKEY\naws_secret_access_key = s%cr3t\n")
    with proxy(os.environ["AWS_ENDPOINT_URL"]) as requests:
        monkeypatch.setenv("AWS_ENDPOINT_URL", requests.url)
        Objects(f"{s3_bucket}/{tmp_path.name}", "us-east-1").write("a", b"1")
        assert "PROFILEKEY" in requests.authorisation
