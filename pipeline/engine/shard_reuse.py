"""Which stored shards cover which items, and how the rest is cut into new shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.engine.items import Item, Items, Parts
from pipeline.engine.shard_record import KEY, VERSION, ReusedShard, ShardRecord
from pipeline.engine.shards import shard_name


@dataclass(frozen=True)
class ShardPlan:
    """The stored shards to use and the new shards to compute; together they hold every item exactly once."""

    kept: tuple[ReusedShard, ...]
    todo: Parts


def plan_shards(
    items: Sequence[Item], stored: Sequence[ShardRecord], shard_rows: int, retry_errors: bool = False
) -> ShardPlan:
    """Returns how to get a row for every item at the least cost.

    1. Cut the items as if nothing were stored, and keep the shards of that cut that exist: an interrupted run
       resumes with the shards it had planned.
    2. Take the other items from any stored shard, row by row: items added, removed, limited or re-ordered later cost
       nothing that was computed before.
    3. Cut the remainder into new shards.

    A row that holds an error is used only where no stored shard has a good one, and never with `retry_errors`. `stored`
    are shards of the same row fingerprint. Raises ValueError if a key occurs twice.
    """
    wanted = Items.of(items)
    _require_unique(wanted.keys)
    missing = np.ones(len(wanted), bool)
    kept: list[ReusedShard] = []
    if stored:
        planned = _planned(wanted, shard_rows)
        # The planned shards in their order, then the largest first: fewest files to open later.
        ordered = sorted(stored, key=lambda r: (planned.get(r.name, len(wanted)), -r.rows, r.name))
        others = list[ShardRecord]()
        for record in ordered:
            start = planned.get(record.name, -1)
            if start >= 0 and missing[start] and not record.errors:  # by its name exactly the items from there on
                kept.append(ReusedShard(record, None, start))
                missing[start : start + record.items.num_rows] = False
            else:
                others.append(record)
        if others:
            kept = _with_others(kept, others, ordered, planned, wanted, missing, retry_errors)
    return ShardPlan(tuple(kept), _cut_rest(wanted, missing, shard_rows))


def _with_others(
    kept: list[ReusedShard],
    others: Sequence[ShardRecord],
    ordered: Sequence[ShardRecord],
    planned: Mapping[str, int],
    wanted: Items,
    missing: NDArray[np.bool_],
    retry_errors: bool,
) -> list[ReusedShard]:
    """Returns what is kept with rows of other shards, as `ordered`; their items are no longer `missing`."""
    rows = _StoredRows.of(others)
    rows.locate(wanted, [planned.get(record.name, -1) for record in others])
    chosen = rows.chosen(wanted, missing, retry_errors)
    missing[rows.places[chosen]] = False
    number = {id(record): number for number, record in enumerate(ordered)}
    return sorted([*kept, *rows.kept(others, chosen)], key=lambda each: number[id(each.record)])


def _planned(items: Items, shard_rows: int) -> dict[str, int]:
    """Returns name -> first item of the shards of a cut as if nothing were stored."""
    return {shard_name(items[i : i + shard_rows]): i for i in range(0, len(items), shard_rows)}


def _require_unique(keys: pa.StringArray) -> None:
    """Raises ValueError if a key occurs twice."""
    if pc.all(pc.greater(keys[1:], keys[: max(0, len(keys) - 1)])).as_py():
        return  # as most datasets are listed; counting a million takes a second
    if pc.count_distinct(keys).as_py() != len(keys):
        counts = pc.value_counts(keys)
        twice = counts.field(0).filter(pc.greater(counts.field(1), 1))
        raise ValueError(f"two items are called {twice[0].as_py()!r}; keys must be unique")


@dataclass
class _StoredRows:
    """The rows of stored shards, one shard after the other.

    Attributes:
        keys, versions: of every row.
        shards: int64 number of the shard of every row, rising.
        failed: bool, whether the row holds an error.
        places: int64 place of the item with this key, -1 where there is none; after `locate`.
    """

    keys: pa.StringArray
    versions: pa.StringArray
    shards: NDArray[np.int64]
    failed: NDArray[np.bool_]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, records: Sequence[ShardRecord]) -> _StoredRows:
        def column(name: str) -> pa.StringArray:
            return pa.concat_arrays([record.items[name] for record in records] or [pa.array([], pa.string())])

        counts = [record.items.num_rows for record in records]
        keys, shards = column(KEY), np.repeat(np.arange(len(records)), counts)
        failed, ends = np.zeros(len(keys), bool), np.cumsum([0, *counts])
        for number, record in enumerate(records):
            if record.errors:
                bad = pa.array([key for key, _ in record.errors], pa.string())
                failed[ends[number] : ends[number + 1]] = pc.is_in(record.items[KEY], bad).to_numpy(False)
        return cls(keys, column(VERSION), shards, failed, np.full(len(keys), -1))

    def locate(self, items: Items, starts: Sequence[int]) -> None:
        """Finds the item of every row by its key; `starts` are known places of the first rows of shards, or -1.

        A million rows take two seconds to find.
        """
        counts = np.bincount(self.shards, minlength=len(starts))
        first = np.array(starts, np.int64)
        known = np.repeat(first >= 0, counts)
        self.places = np.arange(len(self.keys)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        if not known.all():
            keys = self.keys.filter(pa.array(~known))
            self.places[~known] = pc.fill_null(pc.index_in(keys, items.keys), -1).to_numpy(False)

    def chosen(self, items: Items, missing: NDArray[np.bool_], retry_errors: bool) -> NDArray[np.int64]:
        """Returns the rows to use, one for each missing item that has one: of its version, a good one, the first."""
        found = np.flatnonzero(self.places >= 0)
        found = found[missing[self.places[found]]]
        same = pc.equal(self.versions.take(pa.array(found)), items.versions.take(pa.array(self.places[found])))
        found = found[same.to_numpy(False)]
        good = np.zeros(len(items), bool)
        good[self.places[found[~self.failed[found]]]] = True
        found = found[~self.failed[found] | (not retry_errors) & ~good[self.places[found]]]
        _, first = np.unique(self.places[found], return_index=True)
        return np.sort(found[first])

    def kept(self, records: Sequence[ShardRecord], rows: NDArray[np.int64]) -> list[ReusedShard]:
        """Returns the shards that rows are taken from, in their order; the numbers of the rows rise."""
        counts = np.bincount(self.shards[rows], minlength=len(records))
        starts = np.cumsum(counts) - counts
        known = self.places >= 0
        first = np.full(len(records), np.iinfo(np.int64).max)
        np.minimum.at(first, self.shards[known], self.places[known])
        kept = []
        for number in np.flatnonzero(counts).tolist():
            record, count = records[number], int(counts[number])
            keys: tuple[str, ...] | None = None
            if count < record.items.num_rows:
                part = rows[starts[number] : starts[number] + count]
                keys = tuple(self.keys.take(pa.array(part)).to_pylist())
            kept.append(ReusedShard(record, keys, int(first[number])))
        return kept


def _cut_rest(items: Items, missing: NDArray[np.bool_], shard_rows: int) -> Parts:
    """Returns the whole parts of the cut that are missing, then the other missing items, put together."""
    cuts = np.arange(len(items)) // shard_rows
    of_cut = np.bincount(cuts)
    whole = np.bincount(cuts[missing], minlength=len(of_cut)) == of_cut
    first, rest = np.flatnonzero(missing & whole[cuts]), np.flatnonzero(missing & ~whole[cuts])
    loose = np.minimum(np.arange(shard_rows, len(rest) + shard_rows, shard_rows), len(rest))
    return Parts(items, np.concatenate([first, rest]), np.concatenate([np.cumsum(of_cut[whole]), len(first) + loose]))
