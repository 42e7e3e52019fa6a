from __future__ import annotations

import threading
import time

import pytest

from pipeline.engine.manifest import stored_manifests
from pipeline.engine.measures import count, take_measures, timed
from pipeline.engine.shard_record import finished_shards


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    take_measures()


def test_amounts_add_up_until_they_are_taken():
    count("boxes", 3)
    count("boxes", 4)
    count("images")
    assert take_measures() == {"boxes": 7, "images": 1}
    assert take_measures() == {}


def test_a_piece_within_another_counts_once():
    started = time.perf_counter()
    with timed("network"):
        time.sleep(0.02)
        with timed("device_wait"):
            time.sleep(0.05)
        time.sleep(0.02)
    seconds = time.perf_counter() - started
    found = take_measures()
    assert found["device_wait_seconds"] >= 0.05
    assert 0.04 <= found["network_seconds"] < seconds - 0.05 + 0.001
    assert sum(found.values()) == pytest.approx(seconds, abs=0.005)


def test_a_piece_that_fails_counts_and_leaves_none_open():
    def fail() -> None:
        with timed("read"):
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"), timed("network"):
        fail()
    with timed("decode"):
        time.sleep(0.01)
    assert set(take_measures()) == {"read_seconds", "network_seconds", "decode_seconds"}


def test_threads_count_side_by_side():
    def work() -> None:
        for _ in range(1000):
            count("boxes")
        with timed("decode"):
            time.sleep(0.05)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = take_measures()
    assert found["boxes"] == 4000
    assert found["decode_seconds"] >= 0.2


def test_each_shard_has_its_own_and_the_node_their_sum(world):
    count("boxes", 99)  # of what ended early
    world.run()
    (manifest,) = stored_manifests(world.store, "squares")
    shards = finished_shards(world.store, manifest.folder, manifest.row_fingerprint)
    assert all(0 < shard.measured["write_seconds"] <= shard.seconds + 0.001 for shard in shards)
    assert all("boxes" not in shard.measured for shard in shards)
    total = sum(shard.measured["write_seconds"] for shard in shards)
    assert manifest.run["measured"]["write_seconds"] == pytest.approx(total, abs=0.002)
