"""Compares stored shards with what was written, and marks damaged ones in the store."""

from __future__ import annotations

from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.shard_record import DAMAGED, ShardRecord
from pipeline.engine.storage import Store


class DamagedError(ValueError):
    """Stored bytes are not those that were written.

    Attributes:
        noted: the store has a marker of it, so that the next plan computes them again.
    """

    def __init__(self, message: str, noted: bool = True) -> None:
        super().__init__(message)
        self.noted = noted


def read_shard(store: Store, folder: str, shard: str, size: int, expected: str) -> bytes:
    """Returns a shard's file as it was written; hashing takes 1 ms a MB.

    Args:
        store: of the shard.
        folder: ``<node>/<row fingerprint>`` in it.
        shard: name without extension.
        size: bytes that were written; for the message.
        expected: their content hash.

    Raises:
        DamagedError: the file is another one now, or is gone; the shard is then marked as damaged.
    """
    name = f"{folder}/{shard}.parquet"
    for _ in range(2):  # an error on the way from the disk need not happen twice
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
    """Returns the record beside a shard; None where there is none of a shard with this content hash."""
    data = store.read_or_none(f"{folder}/{shard}.json")
    record = None if data is None else ShardRecord.from_json(data)
    return record if record is not None and record.content_hash == expected else None


def is_as_written(store: Store, folder: str, shard: str, expected: str) -> bool:
    """Returns whether file and record of a shard are those that were written, marked or not; reads every byte."""
    data = store.read_or_none(f"{folder}/{shard}.parquet")
    return data is not None and hash_bytes(data) == expected and read_record(store, folder, shard, expected) is not None


def mark_damaged(store: Store, folder: str, shard: str, problem: str) -> bool:
    """Marks a shard as damaged; returns False where the store cannot be written."""
    try:
        store.write(f"{folder}/{shard}{DAMAGED}", f"{problem}\n".encode())
    except OSError:
        return False
    return True
