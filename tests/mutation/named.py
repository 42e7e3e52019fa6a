"""Mistakes written by hand: those that once no quick test noticed, and others of their kind."""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutation.changes import Mistake


@dataclass(frozen=True)
class Named:
    """One mistake in words, and the text that makes it.

    Attributes:
        module: see `modules.Module`.
        title: what the mistake is.
        old, new: a piece of the module that occurs once, and what replaces it.
    """

    module: str
    title: str
    old: str
    new: str

    def mistake(self, source: str) -> Mistake:
        """Returns the mistake in this source.

        Raises:
            ValueError: the text does not occur exactly once: the module has changed, and so must this mistake.
        """
        if source.count(self.old) != 1:
            raise ValueError(
                f"tests/mutation/named.py: {self.module}: {self.title!r}: expected {self.old!r} once in the module, "
                f"found it {source.count(self.old)} times; write the mistake for the module as it is now"
            )
        line = source[: source.index(self.old)].count("\n") + 1
        return Mistake(
            "by hand", self.title, line, self.old.strip(), self.new.strip(), source.replace(self.old, self.new)
        )


NAMED = (
    Named("engine/plan", "version left out of the identity", '        "version": node.stage.version,\n', ""),
    Named("engine/plan", "a forced node that is not selected", "selected and name in options.force", "name in options.force"),
    Named("engine/plan", "retry of errors of a node that is not selected", "selected and options.retry_errors", "options.retry_errors"),
    Named("engine/plan", "file hashes left out of the identity", '        "file_hashes": file_hashes,\n', ""),
    Named("engine/plan", "parameters left out of the identity", 'node.stage.model_dump(mode="python")', "{}"),
    Named("engine/plan", "name of the stage left out of the identity", '        "stage": node.stage.name,\n', ""),
    Named("engine/plan", "the dataset in the fingerprint of a row", 'if k != "dataset"', "if True"),
    Named("engine/plan", "names of nodes never in the identity", "if node.stage.names_in_identity:", "if False:"),
    Named("engine/lock", "leaving deletes a foreign lock", "mine = self._renew()", "mine = self._renew() or True"),
    Named("engine/lock", "the beat writes over a foreign lock", 'return (_parsed(found) or {}).get("owner") == self._owner', "return True"),
    Named("engine/lock", "a take-over writes whatever is there by now", "self._store.swap(LOCK_FILE, found, self._content())", "not self._store.write(LOCK_FILE, self._content())"),
    Named("engine/lock", "no check of the winner", 'if not taken or winner.get("owner") != self._owner:', "if not taken:"),
    Named("engine/shards", "rows in another order than the items", "record = _write(job, name, rows,", "record = _write(job, name, rows[::-1],"),
    Named("engine/shards", "versions of the record in another order", "VERSION: [item.version for item in items]}", "VERSION: [item.version for item in reversed(items)]}"),
    Named("engine/shards", "a marker left after a node", '        job.store.delete(marker, f"{marker}{HEARTBEAT}")  # quick ones on an object store go with their folder', "        pass"),
    Named("engine/shards", "rows of the wrong items pass", "if row[stage.key] != item.key:", "if False:"),
    Named("engine/shards", "the name in the marker written late", "        tries.at(item.key)\n        yield from _first_try(stage, worker, [item])", "        yield from _first_try(stage, worker, [item])\n        tries.at(item.key)"),
    Named("engine/plan", "limit on derived nodes", "known, items=Items.of(node.stage.items(ctx)), notes", "known, items=Items.of(node.stage.items(ctx))[: options.limit], notes"),
    Named("engine/plan", "versions left out of the dataset's hash", "hash_texts(items.keys, items.versions)", "hash_texts(items.keys, items.keys)"),
    Named("engine/shard_reuse", "planned shards not first", "(planned.get(r.name, len(wanted)), -r.rows, r.name)", "(-r.rows, r.name)"),
    Named("engine/shard_reuse", "not the largest first", "(planned.get(r.name, len(wanted)), -r.rows, r.name)", "(planned.get(r.name, len(wanted)), r.rows, r.name)"),
    Named("engine/manifest", "order of the shards in the content", "shards = sorted([s.content_hash, *(s.keys or ())] for s in self.shards)", "shards = [[s.content_hash, *(s.keys or ())] for s in self.shards]"),
    Named("engine/fingerprint", "keys in the order of writing", "for key in sorted(value)}", "for key in value}"),
    Named("engine/manifest", "keys of a part left out of the content", "[s.content_hash, *(s.keys or ())]", "[s.content_hash]"),
    Named("engine/manifest", "oldest output first", "key=lambda m: -float", "key=lambda m: float"),
    Named("boxes/overlap_index", "half of the row height", "self._row_height = self._share *", "self._row_height = 0.5 * self._share *"),
    Named("data/images", "an orientation tag of 9", "1 <= orientation <= 8", "1 <= orientation <= 9"),
    Named("training/losses/pairwise_rank", "the margin form without its clamp", ".clamp(min=0)\n", "\n"),
    Named("training/losses/context", "a score exactly at the threshold", "> threshold", ">= threshold"),
    Named("training/losses/context", "half precision near the threshold", "torch.sigmoid(wide(logits))", "torch.sigmoid(logits)"),
    Named("training/assigners/max_iou", "an overlap exactly at the threshold", "near.iou >= self.positive", "near.iou > self.positive"),
    Named("training/assigners/max_iou", "a low-quality match exactly at the threshold", "met & (iou >= lowest)", "met & (iou > lowest)"),
    Named("training/assigners/compensation", "equal logits of the other readings", "rank_in_group(self.group, logits[self.index])", "len(self.need) - 1 - rank_in_group(self.group, -logits[self.index])"),
    Named("training/augment/sse", "shares of exactly 1", "total <= 1 + _ROUNDING", "total < 1 - _ROUNDING"),
)  # fmt: skip
