"""When and by whom each shard of a node was computed, and the rates that follow from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.engine.shard_record import ShardRecord


@dataclass(frozen=True, slots=True)
class ShardSpan:
    """When and by which worker one shard was computed, in seconds since the epoch."""

    host: str
    rows: int
    begun: float
    ended: float

    def within(self, begin: float, end: float) -> float:
        """Returns how many of its seconds are between two times."""
        return max(0.0, min(end, self.ended) - max(begin, self.begun))


def read_spans(folder: Path) -> tuple[tuple[ShardSpan, ...], int]:
    """Returns the shards of a node's folder in the order in which they began, and the largest peak memory in MB."""
    spans, peak = [], 0
    for file in folder.glob("shard-*.json"):
        record = ShardRecord.from_json(file.read_bytes())
        assert record is not None
        # A record's seconds end right before its Parquet file is written; the shard ends once the record is there.
        computed = file.with_suffix(".parquet").stat().st_mtime
        spans.append(ShardSpan(record.host, record.rows, computed - record.seconds, file.stat().st_mtime))
        peak = max(peak, record.peak_mb)
    return tuple(sorted(spans, key=lambda span: span.begun)), peak


def rate_of(shards: Sequence[ShardSpan]) -> float:
    """Returns images/s from the first shard's begin to the last shard's end."""
    return sum(s.rows for s in shards) / (max(s.ended for s in shards) - min(s.begun for s in shards))


def by_worker(shards: Sequence[ShardSpan]) -> dict[str, list[ShardSpan]]:
    """Returns worker -> its shards, in their order."""
    own: dict[str, list[ShardSpan]] = defaultdict(list)
    for shard in shards:
        own[shard.host].append(shard)
    return own


def all_busy(shards: Sequence[ShardSpan]) -> tuple[float, float]:
    """Returns when the last worker began its first shard, and when the first worker ended its last one.

    Raises:
        ValueError: there is no time between the two.
    """
    own = by_worker(shards).values()
    begin, end = max(each[0].begun for each in own), min(each[-1].ended for each in own)
    if end <= begin:
        raise ValueError(f"the {len(own)} workers were never at work at the same time: give them more images")
    return begin, end


def rate_between(shards: Sequence[ShardSpan], begin: float, end: float) -> float:
    """Returns images/s between two times, where those of a shard are spread over it evenly."""
    return sum(s.rows * s.within(begin, end) / (s.ended - s.begun) for s in shards) / (end - begin)


def busy_workers(shards: Sequence[ShardSpan], begin: float, end: float) -> float:
    """Returns how many workers had a shard between two times, on average."""
    return sum(shard.within(begin, end) for shard in shards) / (end - begin)


def efficiencies(rates: Mapping[int, float]) -> dict[int, float]:
    """Returns nodes -> rate / (nodes x the rate of one node), of images/s by number of nodes.

    Raises:
        ValueError: the rate of one node is not among them.
    """
    if 1 not in rates:
        raise ValueError(f"expected the rate of one node, found those of {sorted(rates)}")
    return {nodes: rate / (nodes * rates[1]) for nodes, rate in rates.items()}
