"""Whether stored bytes are still those that were written, and the note in the store where they are not."""

from __future__ import annotations

from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.shard_record import DAMAGED, ShardRecord
from pipeline.engine.storage import Store


class DamagedError(ValueError):
    """Stored bytes are not those that were written.

    Attributes:
        noted: the store knows it, so that the next plan has them computed again.
    """

    def __init__(self, message: str, noted: bool = True) -> None:
        """Takes one line that names the file and says how to go on."""
        super().__init__(message)
        self.noted = noted


def read_shard(store: Store, folder: str, shard: str, size: int, expected: str) -> bytes:
    """Returns a shard's file, whole and as it was written: 1 ms a MB beyond the reading.

    Args:
        store: where it lies.
        folder: ``<node>/<recipe>`` in it.
        shard: name without extension.
        size: bytes that were written; for the message.
        expected: their checksum.

    Raises:
        DamagedError: the file is another one now, or is gone; the store has a note of it.
    """
    name = f"{folder}/{shard}.parquet"
    for _ in range(2):  # what goes wrong between the disk and here need not do so twice
        data = store.read_or_none(name)
        if data is not None and hash_bytes(data) == expected:
            return data
    found = "no file" if data is None else "as many others" if len(data) == size else f"{len(data)} bytes"
    problem = f"{name} is damaged: expected the {size} bytes that were written, found {found}"
    noted = mark_damaged(store, folder, shard, problem)
    node = folder.partition("/")[0]
    again = "the next `wider8k run` computes it again" if noted else "the store takes no note of it"
    raise DamagedError(f"{problem}; {again}, with --force {node} all of {node}", noted)


def read_record(store: Store, folder: str, shard: str, expected: str) -> ShardRecord | None:
    """Returns the record beside a shard; None where there is none, or none of the bytes with this checksum."""
    data = store.read_or_none(f"{folder}/{shard}.json")
    record = None if data is None else ShardRecord.from_json(data)
    return record if record is not None and record.content_hash == expected else None


def is_as_written(store: Store, folder: str, shard: str, expected: str) -> bool:
    """Returns whether file and record of a shard are those that were written, note or no note; reads every byte."""
    data = store.read_or_none(f"{folder}/{shard}.parquet")
    return data is not None and hash_bytes(data) == expected and read_record(store, folder, shard, expected) is not None


def mark_damaged(store: Store, folder: str, shard: str, problem: str) -> bool:
    """Notes in the store that a shard is damaged; returns False where the store takes no note."""
    try:
        store.write(f"{folder}/{shard}{DAMAGED}", f"{problem}\n".encode())
    except OSError:
        return False
    return True


def clear_damage(store: Store, folder: str, shard: str) -> None:
    """Deletes the note of a shard that is not damaged after all, where there is one."""
    if store.read_or_none(f"{folder}/{shard}{DAMAGED}") is not None:
        store.delete(f"{folder}/{shard}{DAMAGED}")
