from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline.engine import run_log_file
from pipeline.engine.run_log_file import Parts, open_lines
from pipeline.engine.storage import Store


def test_on_a_disk_a_line_is_in_the_file_when_write_returns(tmp_path):
    store = Store(str(tmp_path))
    lines = open_lines(store, "r1")
    assert store.sizes("runs") == {}
    lines.write(b"one\n")
    assert store.read("runs/r1.jsonl") == b"one\n"
    lines.write(b"two\nthree\n")
    assert store.read("runs/r1.jsonl") == b"one\ntwo\nthree\n"
    lines.close()
    assert store.sizes("runs") == {"r1.jsonl": 14}


def test_a_disk_that_is_full_for_a_while_loses_and_doubles_no_byte(tmp_path, monkeypatch):
    store, plain, full = Store(str(tmp_path)), os.write, [True]

    def write(handle: int, data: bytes) -> int:
        if not full[0]:
            return plain(handle, data)
        if len(data) > 3:
            return plain(handle, data[: len(data) - 3])
        raise OSError(errno.ENOSPC, "No space left on device")

    lines = open_lines(store, "r1")
    monkeypatch.setattr(run_log_file.os, "write", write)
    with pytest.raises(OSError, match="No space"):
        lines.write(b"first\n")
    with pytest.raises(OSError, match="No space"):
        lines.flush()
    full[0] = False
    lines.write(b"second\n")
    lines.close()
    assert store.read("runs/r1.jsonl") == b"first\nsecond\n"


def test_a_mount_without_appending_gets_parts(tmp_path, monkeypatch):
    store, plain = Store(str(tmp_path)), os.open

    def refuse(path: object, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_APPEND:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return plain(path, flags, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(run_log_file.os, "open", refuse)
    lines = open_lines(store, "r1")
    lines.write(b"one\n")
    lines.write(b"two\n")
    lines.close()
    assert store.read("runs/r1.jsonl") == b"one\ntwo\n"


def test_parts_are_written_again_until_they_are_full(tmp_path, monkeypatch):
    monkeypatch.setattr(run_log_file, "PART_BYTES", 10)
    store, written = Store(str(tmp_path)), []
    plain = Store.write
    monkeypatch.setattr(
        Store,
        "write",
        lambda self, name, data: (written.append((Path(name).name, bytes(data))), plain(self, name, data)),
    )
    parts = Parts(store, "runs/r1")
    for line in (b"11111\n", b"22222\n", b"33333\n"):
        parts.write(line)
        parts.flush()
        parts.flush()
    parts.close()
    assert written == [
        ("r1.jsonl", b"11111\n"),
        ("r1.jsonl", b"11111\n22222\n"),
        ("r1.part0001.jsonl", b"33333\n"),
    ]


def test_a_part_that_could_not_be_written_is_written_with_the_next_lines(tmp_path, monkeypatch):
    store, plain, broken = Store(str(tmp_path)), Store.write, [True]

    def write(self: Store, name: str, data: bytes) -> None:
        if broken[0]:
            raise OSError("503 Slow Down")
        plain(self, name, data)

    monkeypatch.setattr(Store, "write", write)
    parts = Parts(store, "runs/r1")
    parts.write(b"one\n")
    with pytest.raises(OSError, match="503"):
        parts.flush()
    broken[0] = False
    parts.write(b"two\n")
    parts.flush()
    assert store.read("runs/r1.jsonl") == b"one\ntwo\n"
