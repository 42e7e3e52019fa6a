"""A lock file: one run per store; a dead holder's lock is taken over."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from pipeline.engine.redaction import redact
from pipeline.engine.storage import Store

LOCK_FILE = "lock.json"
BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0  # only for holders on other machines; on this one the process itself is looked up
SECONDS_BETWEEN_LOOKS = 0.5


class StoreLockedError(RuntimeError):
    """Another run holds the store."""


class StoreLock:
    """Holds a store for the length of a `with` block; the lock of a dead process is taken over.

    Two runs at once would do no harm (shards are named by content and written whole): the lock prevents double work.
    Whether a holder on another machine lives is seen by its beat, which changes while this process watches: no clock of
    one machine is compared with that of another. Every write but the first holds only for the lock that was seen
    (`Store.swap`): on an object store one of several that take over at once has it, and a holder that was suspended
    meanwhile writes nothing over it.

    Attributes:
        taken_over: what was taken over, in words; None where the store was free.
    """

    def __init__(self, store: Store, purpose: str, log: Callable[[str], None] = lambda line: None) -> None:
        """Args: the store; what the run is, for messages; what gets the line about a wait for a sign of life."""
        self._store, self._purpose, self._log = store, purpose, log
        self._owner = uuid.uuid4().hex
        self._beats = 0
        self._stop = threading.Event()
        self._beat = threading.Thread(target=self._keep_alive, name="store-lock", daemon=True)
        self.taken_over: str | None = None

    def __enter__(self) -> StoreLock:
        """Takes the lock. Raises StoreLockedError if a living run holds it, naming process, machine and since when."""
        mine = self._content()
        if not self._store.create(LOCK_FILE, mine):
            found = self._store.read_or_none(LOCK_FILE)
            if _parsed(found) is None:
                time.sleep(0.2)  # an unreadable lock may be half-written, on file systems without hard links
                found = self._store.read_or_none(LOCK_FILE)
            # A write whose answer was lost on the way is repeated, and then finds its own lock.
            if found != mine:
                self._take_over(found)
        self._beat.start()
        return self

    def _take_over(self, found: bytes | None) -> None:
        """Takes the lock of a holder that has ended, or an unreadable one; raises StoreLockedError otherwise."""
        holder = _parsed(found)
        if holder and not self._is_dead(holder):
            raise StoreLockedError(
                f"{self._store.url} is in use by {describe(self._holder() or holder)}; wait for it or stop it first"
            )
        # One that was given back meanwhile is free for the first that makes a new one.
        taken = found is not None and self._store.swap(LOCK_FILE, found, self._content())
        if taken:
            self.taken_over = f"the lock of {describe(holder)}, which is gone" if holder else "an unreadable lock"
        taken = taken or self._store.create(LOCK_FILE, self._content())
        time.sleep(0.1)  # on a disk another run may be taking over the same dead lock: the last one to write wins
        winner = self._holder() or {}
        if not taken or winner.get("owner") != self._owner:
            raise StoreLockedError(f"{self._store.url} has just been taken by {describe(winner)}")

    def __exit__(self, *_: object) -> None:
        """Deletes the lock, if this run still owns it."""
        self._stop.set()
        self._beat.join()
        # The new beat keeps it from one that is about to take it over: it is deleted right after.
        try:
            mine = self._renew()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            mine = self._is_mine(self._store.read_or_none(LOCK_FILE))  # a full disk takes no beat of anyone
        if mine:
            self._store.delete(LOCK_FILE)

    def _is_dead(self, holder: dict[str, Any]) -> bool:
        """Returns whether the holder has ended: of this machine at once, of another after a silence."""
        if (lives := lives_here(holder)) is not None:
            return not lives
        self._log(
            f"{self._store.url} is locked by {describe(holder)}; waiting up to {STALE_SECONDS:.0f} s for a sign of life"
        )
        end = time.monotonic() + STALE_SECONDS
        while time.monotonic() < end:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            if (now := self._holder()) != holder:
                return now is None  # given back, or its beat; another run's is as good
        return True

    def _holder(self) -> dict[str, Any] | None:
        return lock_holder(self._store)

    def _content(self) -> bytes:
        fields = {
            "owner": self._owner,
            "host": socket.gethostname(),
            "machine": machine(),
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
            "since_boot": _since_boot(psutil.Process()),
            "purpose": redact(self._purpose),
            "beat": self._beats,
        }
        return json.dumps(fields).encode()

    def _keep_alive(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                if not self._renew():
                    return  # taken over while this process was suspended: the lock is the new holder's
            except OSError:  # a store that does not answer now may answer at the next beat
                continue

    def _renew(self) -> bool:
        """Writes a new beat over the last one; returns whether the lock is still this run's."""
        self._beats += 1
        found = self._store.read_or_none(LOCK_FILE)
        return self._is_mine(found) and self._store.swap(LOCK_FILE, found or b"", self._content())

    def _is_mine(self, found: bytes | None) -> bool:
        return (_parsed(found) or {}).get("owner") == self._owner


def lock_holder(store: Store) -> dict[str, Any] | None:
    """Returns what the holder of a store's lock wrote into it; None without a lock and for one that is half-written."""
    return _parsed(store.read_or_none(LOCK_FILE))


def _parsed(lock: bytes | None) -> dict[str, Any] | None:
    try:
        holder = json.loads(lock or b"null")
    except ValueError:
        return None
    return holder if isinstance(holder, dict) else None


def machine() -> str:
    """Returns what two processes have in common that see each other by number: host, boot and PID namespace.

    Containers of one host may share its name, and all count from 1, as does a machine that was started again.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # no Linux
        boot, namespace = f"{psutil.boot_time():.0f}", ""
    return " ".join((socket.gethostname(), boot, namespace)).strip()


def lives_here(holder: dict[str, Any]) -> bool | None:
    """Returns whether the process that wrote this lock runs, None if that cannot be seen from here.

    It is of another machine or container, or of a version of this project that says less of itself.
    """
    if holder.get("machine") != machine() or "since_boot" not in holder:
        return None
    try:
        # The same number may belong to a new process, which has another start time.
        return abs(_since_boot(psutil.Process(int(holder["pid"]))) - float(holder["since_boot"])) <= 1
    except psutil.NoSuchProcess:
        return False


def _since_boot(process: psutil.Process) -> float:
    """Returns when a process started, in seconds since the machine did.

    Its time of day changes when the machine's clock is set: a living holder would be taken for another process.
    """
    return process.create_time() - psutil.boot_time()


class SignsOfLife:
    """Follows the holder of a lock from outside, without the clock of another machine."""

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self._seen: dict[str, Any] | None = None
        self._since = 0.0

    def ended(self, holder: dict[str, Any]) -> bool:
        """Returns whether the holder has ended: of this machine at once, of another after a silence.

        Args:
            holder: what the lock says now; to be asked again and again.
        """
        if (lives := lives_here(holder)) is not None:
            return not lives
        if holder != self._seen:
            self._seen, self._since = holder, time.monotonic()
        return time.monotonic() - self._since > STALE_SECONDS


def describe(holder: dict[str, Any]) -> str:
    """Returns one line that names a lock's holder."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(holder.get("started", 0))))
    return f"process {holder.get('pid')} on {holder.get('host')} ({holder.get('purpose')}, started {since})"
