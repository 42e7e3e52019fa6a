"""The log has every step once, however often a training was interrupted; TensorBoard reads the same numbers."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.storage import Store
from pipeline.training.loop.metrics_log import MetricsLog


def _entry(step: int) -> dict[str, Any]:
    return {
        "loss": {"total": step + 0.5, "box": 0.25},
        "rate": 1e-3,
        "positives_of_level": [step, 2],
        "bad_images": 0,
    }


def _log(folder: Path, step: int = 0) -> MetricsLog:
    return MetricsLog(Store(str(folder)), "work", step)


def _add(log: MetricsLog, steps: range) -> None:
    for step in steps:
        log.add(step, _entry(step))


def _steps(folder: Path) -> list[int]:
    """Steps of the parts that are there, without dropping any."""
    return [entry["step"] for entry in _log(folder, 10**9).entries()]


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "work" / "log").iterdir())


def test_entries_in_order_in_parts(tmp_path: Path) -> None:
    log = _log(tmp_path)
    _add(log, range(3))
    assert log.entries() == []  # not written before the checkpoint
    log.part(3)()
    _add(log, range(3, 12))
    log.add(11, {"ap": {"easy": 0.5}})
    log.part(12)()
    assert log.entries() == [{"step": s, **_entry(s)} for s in range(12)] + [{"step": 11, "ap": {"easy": 0.5}}]
    assert _names(tmp_path) == [
        "0000000000.jsonl",
        "0000000003.jsonl",
        "events.out.tfevents.0000000000",
        "events.out.tfevents.0000000003",
    ]
    lines = (tmp_path / "work/log/0000000003.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [*range(3, 12), 11]


def test_a_part_holds_what_was_added_before_it(tmp_path: Path) -> None:
    log = _log(tmp_path)
    _add(log, range(2))
    taken = log.part(2)
    _add(log, range(2, 4))
    taken()
    assert _steps(tmp_path) == [0, 1]
    log.part(4)()
    assert _steps(tmp_path) == [0, 1, 2, 3]


def test_no_entry_no_file(tmp_path: Path) -> None:
    _log(tmp_path).part(5)()
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("back_to", [0, 2, 4, 6])
def test_going_on_drops_the_parts_behind_and_no_step_is_doubled_or_lost(tmp_path: Path, back_to: int) -> None:
    first = _log(tmp_path)
    for end in (2, 4, 6):
        _add(first, range(end - 2, end))
        first.part(end)()
    _add(first, range(6, 7))  # added, but never written: the process was killed
    again = _log(tmp_path, back_to)
    assert [entry["step"] for entry in again.entries()] == list(range(back_to))
    assert len(_names(tmp_path)) == back_to  # two files for two steps
    _add(again, range(back_to, 8))
    again.part(8)()
    assert _steps(tmp_path) == list(range(8))


def _crc32c(data: bytes) -> int:
    """The Castagnoli checksum, bit by bit, masked as TFRecord files have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _records(data: bytes) -> list[bytes]:
    """Returns the payloads of a TFRecord file; every length and checksum must be right."""
    found, place = [], 0
    while place < len(data):
        (length, check) = struct.unpack_from("<QI", data, place)
        payload = data[place + 12 : place + 12 + length]
        (end,) = struct.unpack_from("<I", data, place + 12 + length)
        assert check == _crc32c(data[place : place + 8]) and end == _crc32c(payload)
        found.append(payload)
        place += 16 + length
    return found


def test_events_hold_the_same_numbers(tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event

    log = _log(tmp_path)
    _add(log, range(2))
    log.add(1, {"ap": {"easy": 0.75}})
    log.part(2)()
    events = [
        Event.FromString(record)
        for record in _records((tmp_path / "work/log/events.out.tfevents.0000000000").read_bytes())
    ]
    assert events[0].file_version == "brain.Event:2"
    found = {(value.tag, event.step): value.simple_value for event in events for value in event.summary.value}
    wanted = {
        (name, step): pytest.approx(number)
        for step in (0, 1)
        for name, number in {
            "loss/total": step + 0.5,
            "loss/box": 0.25,
            "rate": 1e-3,
            "positives_of_level/0": step,
            "positives_of_level/1": 2,
            "bad_images": 0,
        }.items()
    }
    assert found == {**wanted, ("ap/easy", 1): 0.75}


def test_a_flipped_bit_costs_its_line_and_nothing_else(tmp_path: Path) -> None:
    log = _log(tmp_path)
    _add(log, range(3))
    log.part(3)()
    file = tmp_path / "work/log/0000000000.jsonl"
    data = file.read_bytes()
    start = data.index(b"\n") + 1
    for place in range(start, data.index(b"\n", start), 3):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        found = log.entries()
        assert [found[0], found[-1]] == [{"step": 0, **_entry(0)}, {"step": 2, **_entry(2)}]
        assert all(each.keys() == {"damaged"} for each in found[1:-1]), found
        assert "0000000000.jsonl, line 2" in found[1]["damaged"]
