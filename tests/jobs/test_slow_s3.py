"""The benchmark's stand-in for S3, through the engine's own client."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from jobs.benchmarks.slow_s3 import BUCKET, slow_s3, wait, writes
from pipeline.engine.object_reader import ObjectReader
from pipeline.engine.storage import Store


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    with slow_s3() as url:
        assert os.environ["AWS_ENDPOINT_URL"] == url
        yield url
    assert {name: value for name, value in os.environ.items() if name.startswith("AWS_")} == before


@pytest.fixture
def store(server: str, request: pytest.FixtureRequest) -> Store:
    return Store(f"s3://{BUCKET}/{request.node.name}")


@pytest.mark.slow
def test_what_is_written_is_read_listed_and_deleted(store: Store) -> None:
    for name in ("n/a & b.json", "n/100%s.json", "n/deep/er/x", "n2/y"):
        store.write(name, name.encode())
    assert store.read("n/100%s.json") == b"n/100%s.json"
    assert store.read_or_none("n/none") is None
    assert store.sizes("n") == {"100%s.json": 12, "a & b.json": 12}
    assert store.folders() == ["n", "n2"]
    assert store.named("n", "a") == ["a & b.json"]
    store.delete_folder("n")
    assert store.below("") == {"n2/y": 4}


@pytest.mark.slow
def test_of_two_that_create_an_object_the_first_wins(store: Store) -> None:
    assert [store.create("lock", b"1"), store.create("lock", b"2")] == [True, False]
    assert store.read("lock") == b"1"


@pytest.mark.slow
def test_a_listing_of_several_pages_is_whole(store: Store) -> None:
    names = [f"f/{number:04d}" for number in range(1050)]
    for name in names:
        store.write(name, b"")
    store.write("f/deep/x", b"")
    assert store.named("f", "0") == [name.removeprefix("f/") for name in names[:1000]]
    assert set(store.below("f")) == {"deep/x", *(name.removeprefix("f/") for name in names)}


@pytest.mark.slow
def test_an_object_in_parts_is_put_together(store: Store) -> None:
    data = bytes(range(256)) * (12 * 2**12)  # 12 MiB
    store.write("large", data)
    assert store.read("large") == data
    with store.filesystem.open_input_file(store.path("large")) as file:  # pyarrow asks for parts
        file.seek(2**20 + 3)
        assert file.read(300) == data[2**20 + 3 : 2**20 + 303]
        assert file.size() == len(data)


@pytest.mark.slow
def test_every_request_takes_its_time_and_is_counted(server: str, store: Store) -> None:
    store.write("a", b"1")
    wait(server, 0.05)
    begun = time.monotonic()
    assert [store.read("a") for _ in range(3)] == [b"1"] * 3
    seconds = time.monotonic() - begun
    assert wait(server, 0) >= 3
    assert 0.15 <= seconds < 5
    assert wait(server, 0) == 0


@pytest.mark.slow
def test_what_pyarrow_writes_in_chunks_is_what_it_reads(store: Store) -> None:
    with store.filesystem.open_output_stream(store.path("chunked")) as file:
        file.write(b"123" * 100)
    assert store.read("chunked") == b"123" * 100
    with store.filesystem.open_input_file(store.path("chunked")) as file:
        assert file.read() == b"123" * 100


@pytest.mark.slow
def test_an_object_has_a_tag_of_its_bytes_and_gives_a_part_of_them(server: str, request: pytest.FixtureRequest) -> None:
    reader, name = ObjectReader(f"s3://{BUCKET}"), f"{request.node.name}/a"
    store = Store(f"s3://{BUCKET}/{request.node.name}")
    store.write("a", b"12345")
    before = reader.facts(name)
    assert [found for path, found in reader.below(request.node.name)] == [before]
    assert (reader.beginning(name, 2), reader.beginning(name, 9)) == (b"12", b"12345")
    store.write("a", b"54321")
    assert reader.facts(name).version != before.version


@pytest.mark.slow
def test_a_share_of_requests_is_refused_and_the_client_asks_again(server: str, store: Store) -> None:
    wait(server, 0)
    wait(server, 0, refused=0.5)
    for number in range(20):
        store.write(f"n/{number}", b"1")
    assert len(store.sizes("n")) == 20
    assert wait(server, 0) > 25
    for number in range(3):
        store.write("n/7", bytes(number))
    found = writes(server)
    assert [found[f"{store.url.removeprefix(f's3://{BUCKET}/')}/n/{number}"] for number in (6, 7)] == [1, 4]
