"""Where the lines of a run log go: appended to a file on disks, in parts on object stores, which cannot append.

A part is written again whenever it has new lines, until it holds `PART_BYTES`; then the next one begins. Every request
so writes few bytes, and a log has few parts.
"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Final, Protocol

from pipeline.engine.storage import Store

PART_BYTES: Final = 256_000
FOLDER: Final = "runs"
_NO_APPEND: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM})


class LineFile(Protocol):
    """Takes lines; what could not be written is kept and written with the next ones.

    One thread may `flush` while others `write`: these never wait for a store that is slow to answer.
    """

    def write(self, lines: bytes) -> None:
        """Takes whole lines; on a disk they are in the file when this returns. Raises OSError, and keeps them."""

    def flush(self) -> None:
        """Makes all lines so far last: on a disk, through to the device. Raises OSError, and keeps them."""

    def close(self) -> None:
        """Flushes and closes. Raises OSError."""


def open_lines(store: Store, run_id: str) -> LineFile:
    """Returns the empty log of a run; nothing is written yet."""
    if store.local:
        return AppendedFile(store, f"{FOLDER}/{run_id}")
    return Parts(store, f"{FOLDER}/{run_id}")


class AppendedFile:
    """A file on a disk of this machine or a mount. One that cannot be appended to is written in parts."""

    def __init__(self, store: Store, name: str) -> None:
        self._path = Path(store.path(f"{name}.jsonl"))
        self._parts, self._in_parts = Parts(store, name), False
        self._handle: int | None = None
        self._pending, self._guard = b"", threading.Lock()

    def write(self, lines: bytes) -> None:
        """See `LineFile`."""
        if self._in_parts:
            self._parts.write(lines)
            return
        with self._guard:
            self._append(lines)

    def _append(self, lines: bytes) -> None:
        self._pending += lines
        try:
            if self._handle is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            while self._pending:  # goes on behind the last byte that fitted
                self._pending = self._pending[os.write(self._handle, self._pending) :]
        except OSError as error:
            if error.errno not in _NO_APPEND:
                raise
            self._in_parts = True
            self._parts.write(self._pending)

    def flush(self) -> None:
        """See `LineFile`."""
        if self._in_parts:
            self._parts.flush()
            return
        if self._pending:
            self.write(b"")
        if self._handle is not None:
            os.fdatasync(self._handle)

    def close(self) -> None:
        """See `LineFile`."""
        try:
            self.flush()
        finally:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None


class Parts:
    """``<name>.jsonl``, then ``<name>.part0001.jsonl`` and so on, each written whole."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._number, self._text, self._written = 0, b"", 0
        self._guard = threading.Lock()

    def write(self, lines: bytes) -> None:
        """Keeps the lines until `flush`: a request per line would be slow and dear."""
        with self._guard:
            self._text += lines

    def flush(self) -> None:
        """See `LineFile`."""
        text = self._text
        if len(text) > self._written:
            self._store.write(part_name(self._name, self._number), text)
            self._written = len(text)
        if self._written >= PART_BYTES:
            with self._guard:
                self._number, self._text, self._written = self._number + 1, self._text[self._written :], 0

    def close(self) -> None:
        """See `LineFile`."""
        self.flush()


def part_name(name: str, number: int) -> str:
    """Returns the name of a part of a log; the first one has that of a log that is no parts."""
    return f"{name}.part{number:04d}.jsonl" if number else f"{name}.jsonl"
