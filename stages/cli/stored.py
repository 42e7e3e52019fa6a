"""What is stored of a config's nodes, for `status`, and what may go, for `clean`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from pipeline.engine.exports import damaged_exports
from pipeline.engine.garbage import unused_files
from pipeline.engine.manifest import Manifest, finish, stored_manifests
from pipeline.engine.node_progress import duration
from pipeline.engine.plan import Decision, NodePlan
from pipeline.engine.storage import Store


def stored_badly(store: Store, planned: NodePlan, verify: bool) -> list[str]:
    """Returns what is stored of a node's wanted output and damaged; with `verify` after reading every byte."""
    found = list(planned.damaged)
    if verify and planned.artifact:
        found += planned.artifact.manifest.verify(store) + damaged_exports(store, planned.node)
    elif verify and planned.row_fingerprint:
        kept = planned.shard_plan.kept if planned.shard_plan else ()
        found += finish(Manifest(planned.node.name, "", planned.row_fingerprint, {}, ""), kept).verify(store)
    return found


def is_begun(planned: NodePlan) -> bool:
    """Returns whether anything is stored of a node's wanted output."""
    return planned.artifact is not None or bool(planned.shard_plan and planned.shard_plan.kept)


def status_line(store: Store, planned: NodePlan) -> str:
    """Returns what is stored of a node: the wanted output, or how far it is, and how many others there are."""
    manifests = stored_manifests(store, planned.node.name)
    others = sum(manifest.fingerprint != planned.fingerprint for manifest in manifests)
    older = f", {others} older outputs" if others else ""
    if planned.artifact is None:
        if planned.decision is Decision.RUN and planned.row_fingerprint is None and manifests:
            # Not known yet: all its rows may be reused once its inputs are finished.
            return f"{planned.decision}, {planned.reason}{older}"
        known = planned.decision in (Decision.RESUME, Decision.BLOCKED) or planned.damaged
        return f"{planned.reason if known else 'not stored as configured'}{older}"
    current = planned.artifact.manifest
    size = sum(shard.size for shard in current.shards) / 1e6
    work = f"{duration(float(current.run.get('seconds', 0)))} of work, peak {current.run.get('peak_mb', 0)} MB"
    counts = f"{current.rows} rows, {len(current.errors)} errors, {len(current.shards)} shards, {size:.1f} MB"
    return f"{counts}, {work}{older}"


def clear(store: Store, plans: Mapping[str, NodePlan], yes: bool) -> tuple[int, bool]:
    """Returns how many outputs that no node's plan needs went (`yes`) or could go, and whether all did."""
    count, failed = 0, False
    for path, size in list(unused_files(store, plans)):
        try:
            if yes:
                store.remove(path)
        except OSError as error:  # one that cannot go is no reason to keep the others
            print(f"error: {path} cannot be deleted: {error}", file=sys.stderr)
            failed = True
            continue
        count += 1
        print(f"{'deleted' if yes else 'would delete'} {path} ({size / 1e6:.1f} MB)")
    return count, not failed
