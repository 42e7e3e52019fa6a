"""Writing on file systems that lack links, renames over what is there, or flushing: mounts of FUSE, SMB and exFAT."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.engine.lock import LOCK_FILE, StoreLock, StoreLockedError
from pipeline.engine.storage import Store
from tests.engine.conftest import World

Refuse = Callable[..., None]


@pytest.fixture
def mount(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Takes away what a mount does not offer; this machine's disks offer all of it."""
    plain_open, plain_rename = os.open, os.rename

    def refuse(number: int = errno.EPERM, *, link: bool = False, over: bool = False, sole: bool = False) -> None:
        def refused(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        def rename(source: str, target: str) -> None:
            if os.path.exists(target):
                raise OSError(number, os.strerror(number), target)
            plain_rename(source, target)

        def open_(path: str, flags: int, mode: int = 0o777, **_: object) -> int:
            if flags & os.O_EXCL or os.path.isdir(path):
                raise OSError(number, os.strerror(number), path)
            return plain_open(path, flags, mode)

        if link:
            monkeypatch.setattr(os, "link", refused)
        if over:
            monkeypatch.setattr(os, "replace", rename)
            monkeypatch.setattr(os, "rename", rename)
        if sole:
            monkeypatch.setattr(os, "open", open_)
            monkeypatch.setattr(os, "fsync", refused)

    return refuse


MOUNTS = [
    {"link": True},
    {"number": errno.EOPNOTSUPP, "link": True},
    {"number": errno.ENOSYS, "link": True, "sole": True},
    {"number": errno.EACCES, "link": True, "over": True},
    {"number": errno.EINVAL, "link": True, "over": True, "sole": True},
]


@pytest.mark.parametrize("lacks", MOUNTS)
def test_a_whole_run_on_a_mount_that_lacks_something(world: World, mount: Refuse, lacks: dict[str, int]) -> None:
    mount(**lacks)
    for total in (sum(i**2 + i**3 for i in range(10)), sum(i**2 + i**3 for i in range(12))):
        with StoreLock(world.store, "one"):
            assert not world.run().failed
        assert world.total() == total
        world.numbers(range(12))
    assert not [path.name for path in (world.folder / "store").rglob("*") if path.name.startswith((".", "lock"))]


@pytest.mark.parametrize("lacks", MOUNTS)
def test_a_file_is_made_once_and_written_over(tmp_path: Path, mount: Refuse, lacks: dict[str, int]) -> None:
    mount(**lacks)
    store = Store(str(tmp_path))
    assert store.create("lock", b"first")
    assert not store.create("lock", b"second")
    assert store.read("lock") == b"first"
    store.write("lock", b"third")
    assert store.read("lock") == b"third"
    assert set(store.sizes("")) == {"lock"}


@pytest.mark.parametrize("lacks", MOUNTS)
def test_a_lock_is_held_and_given_back(tmp_path: Path, mount: Refuse, lacks: dict[str, int]) -> None:
    mount(**lacks)
    store = Store(str(tmp_path))
    with StoreLock(store, "one"):
        with pytest.raises(StoreLockedError, match=r"is in use by process \d+ on .* \(one, started"):
            StoreLock(store, "two").__enter__()
        assert set(store.sizes("")) == {LOCK_FILE}
    assert store.sizes("") == {}


def test_what_was_there_stays_where_the_new_file_cannot_take_its_name(
    tmp_path: Path, mount: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path))
    store.write("file", b"old")
    mount(over=True)
    rename = os.rename

    def broken(source: str, target: str) -> None:
        if target.endswith("file") and Path(source).read_bytes() == b"new":
            raise OSError(errno.EIO, "Input/output error", target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", broken)
    with pytest.raises(OSError, match="Input/output error"):
        store.write("file", b"new")
    assert store.read("file") == b"old"
    assert set(store.sizes("")) == {"file"}


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_is_full_or_broken_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    store = Store(str(tmp_path))
    for write in (store.write, store.create):
        with pytest.raises(OSError, match=rf"{os.strerror(number)}: '{tmp_path}/file'"):
            write("file", b"data")
    assert store.sizes("") == {}


def test_on_a_disk_that_became_full_a_lock_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = Store(str(tmp_path))
    with StoreLock(store, "one"):
        monkeypatch.setattr(os, "fsync", full)
    assert store.sizes("") == {}


def test_a_lock_met_half_written_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where links are missing a lock is empty for a moment after it is made."""
    store = Store(str(tmp_path))
    with StoreLock(store, "one"):
        data = store.read(LOCK_FILE)
        (tmp_path / LOCK_FILE).write_bytes(b"")
        monkeypatch.setattr("pipeline.engine.lock.time.sleep", lambda _: (tmp_path / LOCK_FILE).write_bytes(data))
        with pytest.raises(StoreLockedError, match="is in use by"):
            StoreLock(store, "two").__enter__()
