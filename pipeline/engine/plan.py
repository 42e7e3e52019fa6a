"""Decides for every node whether to reuse, resume or run it, or what blocks it, and why. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pipeline.engine.fingerprint import canonical, difference, hash_json, hash_texts
from pipeline.engine.graph import Graph, Node
from pipeline.engine.items import Items
from pipeline.engine.manifest import Artifact, Manifest, manifest_name, parse_manifest, stored_manifests
from pipeline.engine.redaction import redact
from pipeline.engine.shard_record import DamagedError, finished_shards, shard_names
from pipeline.engine.shard_reuse import ShardPlan, plan_shards
from pipeline.engine.stage import MapStage, StageContext, with_node
from pipeline.engine.storage import Store

NOT_COMPUTED = "(not computed yet)"
FORMAT = "2"  # of what is stored; part of every fingerprint


class Decision(StrEnum):
    """What will happen to a node."""

    REUSE = "reuse"
    RESUME = "resume"
    RUN = "run"
    BLOCKED = "blocked"
    SKIPPED = "left out"


@dataclass(frozen=True)
class Options:
    """What the caller chose: nodes to carry out, to compute again, and how many items of each dataset."""

    selected: frozenset[str]
    force: frozenset[str] = frozenset()
    limit: int | None = None
    retry_errors: bool = False


@dataclass(frozen=True)
class NodePlan:
    """The decision about one node.

    Attributes:
        decision, reason: what and why, for people.
        fingerprint_fields: what the fingerprint is the hash of; None for a blocked node.
        fingerprint, row_fingerprint: None until all inputs are finished.
        items: all items of a map stage that has work; None where there is none, and until all inputs are finished.
        shard_plan: stored shards to keep and new ones to compute; None likewise.
        artifact: the finished output, for `Decision.REUSE` only.
        damaged: what is stored of the wanted output and cannot be used: names of shards, or "its manifest".
        invalid: the node itself cannot run (bad path, bad weights), as opposed to waiting for another one.
        notes: what the stage logged while it listed its items.
    """

    node: Node
    decision: Decision
    reason: str
    fingerprint_fields: Mapping[str, Any] | None = None
    fingerprint: str | None = None
    row_fingerprint: str | None = None
    items: Items | None = field(default=None, repr=False)
    shard_plan: ShardPlan | None = field(default=None, repr=False)
    artifact: Artifact | None = field(default=None, repr=False)
    damaged: tuple[str, ...] = ()
    invalid: bool = False
    notes: tuple[str, ...] = ()


def plan(graph: Graph, store: Store, options: Options) -> dict[str, NodePlan]:
    """Returns node name -> decision, in the graph's order.

    Raises DamagedError if a shard that holds a node's items is damaged, in a store that cannot be written.
    """
    while True:
        plans: dict[str, NodePlan] = {}
        try:
            for name in graph.order:
                plans[name] = plan_node(graph, name, store, plans, options)
        except DamagedError as error:
            if not error.noted:
                raise
            continue  # the node that wrote the shard is planned again, and now has work
        return plans


def plan_node(graph: Graph, name: str, store: Store, upstream: Mapping[str, NodePlan], options: Options) -> NodePlan:
    """Returns the decision about one node, given those about its inputs.

    Raises DamagedError if a shard of an input is damaged.
    """
    node = graph.nodes[name]
    notes: list[str] = []
    items: Items | None = None
    try:
        node.stage.check(node.path, node.inputs)
        node.stage.fits(node.resources)
        file_hashes = dict(node.stage.file_hashes(node.path))
        blocked = [u for u in node.upstream if upstream[u].decision is Decision.BLOCKED]
        if blocked:
            return NodePlan(node, Decision.BLOCKED, f"by {_first(blocked)}")
        ready = all(upstream[u].artifact for u in node.upstream)
        ctx = replace(context(graph, name, upstream, file_hashes), log=notes.append)
        if not node.upstream and isinstance(node.stage, MapStage):
            items = Items.of(node.stage.items(ctx))[: options.limit]
        fields = _fingerprint_fields(node, file_hashes, upstream, items)
        known = NodePlan(node, Decision.RUN, "", fields, items=items, notes=tuple(notes))
        if not ready:
            return _wait(known, store, upstream, options)
        known = replace(known, fingerprint=hash_json(fields), row_fingerprint=_row_fingerprint(node, fields))
        known = _decide(known, store, options)
        if known.decision is Decision.RUN and isinstance(node.stage, MapStage):
            if known.items is None:  # what is stored needs none: they follow from the inputs' content
                known = replace(known, items=Items.of(node.stage.items(ctx)), notes=tuple(notes))
            known = _with_shards(known, store, options)
    except DamagedError:
        raise
    except (ValueError, OSError) as error:
        return NodePlan(node, Decision.BLOCKED, redact(with_node(str(error), name)), invalid=name in options.selected)
    return known if known.shard_plan else replace(known, items=None)


def context(graph: Graph, name: str, upstream: Mapping[str, NodePlan], file_hashes: Mapping[str, str]) -> StageContext:
    """Returns the stage context of a node whose inputs are all finished."""
    node = graph.nodes[name]

    def artifacts(names: Sequence[str]) -> tuple[Artifact, ...]:
        return tuple(a for each in names if (a := upstream[each].artifact))

    inputs = {port: artifacts(node.inputs.get(port, ())) for port in node.stage.inputs}
    lineage = {
        each: {port: artifacts(names) for port, names in wiring.items()} for each, wiring in node.lineage.items()
    }
    dataset_paths = {each.name: each.path for each in graph.nodes.values()}
    known = (node.path, node.resources, inputs, dataset_paths, file_hashes or {})
    return StageContext(name, *known, lineage=lineage)


def _fingerprint_fields(
    node: Node, file_hashes: Mapping[str, str], upstream: Mapping[str, NodePlan], items: Items | None
) -> dict[str, Any]:
    contents = {u: a.manifest.content_hash if (a := upstream[u].artifact) else NOT_COMPUTED for u in node.upstream}
    fields = {
        "format": FORMAT,
        "stage": node.stage.name,
        "version": node.stage.version,
        "params": node.stage.model_dump(mode="python"),
        "file_hashes": file_hashes,
        "inputs": {port: [contents[u] for u in names] for port, names in node.inputs.items()},
    }
    if node.stage.names_in_identity:
        fields["names"] = {port: list(names) for port, names in node.inputs.items()}
    if node.lineage:
        fields["lineage"] = {
            name: {port: {each: contents[each] for each in names} for port, names in wiring.items()}
            for name, wiring in node.lineage.items()
        }
    if not node.upstream and items is not None:
        content_hash = hash_texts(items.keys, items.versions)
        fields["dataset"] = {"items": len(items), "content_hash": content_hash}
    plain: dict[str, Any] = canonical(fields, node.name)
    return plain


def _row_fingerprint(node: Node, fields: Mapping[str, Any]) -> str:
    if not isinstance(node.stage, MapStage):
        return hash_json(fields, size=8)
    # The mapped inputs and the dataset reach a row through its item alone.
    inputs = {port: hashes for port, hashes in fields["inputs"].items() if port not in node.stage.mapped_inputs}
    return hash_json({**{k: v for k, v in fields.items() if k != "dataset"}, "inputs": inputs}, size=8)


def _wait(known: NodePlan, store: Store, upstream: Mapping[str, NodePlan], options: Options) -> NodePlan:
    """Returns the decision about a node some of whose inputs are missing; it is planned again once they are there."""
    waits = [u for u in known.node.upstream if upstream[u].artifact is None]
    if known.node.name not in options.selected:
        return replace(known, decision=Decision.SKIPPED, reason="not selected, and its inputs are not stored")
    left = [u for u in waits if upstream[u].decision is Decision.SKIPPED]
    if left:
        return replace(known, decision=Decision.BLOCKED, reason=f"by {_first(left)}")
    changes = differences(known, store)
    below = ("inputs.", "lineage.")
    own = changes and [each for each in changes if each[2] != NOT_COMPUTED and not each[0].startswith(below)]
    return replace(known, reason=f"{_reason(own)}after {_first(waits)}")


def _decide(known: NodePlan, store: Store, options: Options) -> NodePlan:
    """Returns the decision about a node whose inputs are finished, without what is stored of its shards."""
    name = known.node.name
    assert known.fingerprint and known.row_fingerprint
    selected = name in options.selected
    forced = selected and name in options.force
    manifest, damaged = _stored(known, store)
    retry = selected and options.retry_errors and bool(manifest and manifest.errors)
    if manifest and not (damaged or forced or retry):
        artifact = Artifact(store, manifest)
        return replace(known, decision=Decision.REUSE, reason=f"{manifest.rows} rows stored", artifact=artifact)
    if not selected:
        reason = f"not selected, and of what is stored {_list(damaged)}" if damaged else "not selected and not stored"
        return replace(known, decision=Decision.SKIPPED, reason=reason, damaged=damaged)
    if forced:
        reason = "forced"
    elif damaged:
        reason = _list(damaged)
    elif retry and manifest:
        reason = f"{len(manifest.errors)} errors to retry"
    else:
        reason = _reason(differences(known, store)).removesuffix("; ") or "stored shards without a manifest"
    return replace(known, reason=reason, damaged=damaged)


def _stored(known: NodePlan, store: Store) -> tuple[Manifest | None, tuple[str, ...]]:
    """Returns the manifest of the wanted output, if it can be read, and what is stored of it and cannot be used."""
    data = store.read_or_none(manifest_name(known.node.name, known.row_fingerprint or "", known.fingerprint or ""))
    manifest = None if data is None else parse_manifest(data)
    if manifest is not None:
        return manifest, tuple(manifest.broken(store))
    return None, () if data is None else ("its manifest",)


def _with_shards(known: NodePlan, store: Store, options: Options) -> NodePlan:
    """Returns the decision about a map stage that has work, with its shards."""
    assert known.items is not None and known.row_fingerprint
    folder = f"{known.node.name}/{known.row_fingerprint}"
    forced = known.node.name in options.force
    sizes = {} if forced else store.sizes(folder)
    stored = finished_shards(store, folder, known.row_fingerprint, sizes)
    shard_plan = plan_shards(known.items, stored, known.node.resources.shard_rows, options.retry_errors)
    items, todo = len(known.items), shard_plan.todo.items
    unusable = set(shard_names(sizes)) - {record.name for record in stored}
    damaged = tuple(dict.fromkeys((*known.damaged, *sorted(unusable))))
    known = replace(known, damaged=damaged, shard_plan=shard_plan)
    if todo == items:
        return replace(known, reason=f"{known.reason}; {todo} items in {len(shard_plan.todo)} shards")
    reason = f"{items - todo} of {items} items stored, {todo} to do in {len(shard_plan.todo)} shards"
    return replace(known, decision=Decision.RESUME, reason=f"{reason}; {_list(damaged)}" if damaged else reason)


def _list(damaged: tuple[str, ...]) -> str:
    more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
    return f"damaged or missing: {', '.join(damaged[:3])}{more}"


def _reason(changes: list[tuple[str, Any, Any]] | None) -> str:
    if changes is None:
        return "nothing stored yet; "
    shown = "; ".join(f"{field} {_short(old)} -> {_short(new)}" for field, old, new in changes[:2])
    more = f" and {len(changes) - 2} more" if len(changes) > 2 else ""
    return f"changed: {shown}{more}; " if changes else ""


def differences(known: NodePlan, store: Store) -> list[tuple[str, Any, Any]] | None:
    """Returns (field, stored, wanted) against the most similar stored output of this node; None if there is none."""
    stored = stored_manifests(store, known.node.name)
    if not stored or known.fingerprint_fields is None:
        return None
    return min((difference(m.fingerprint_fields, known.fingerprint_fields) for m in stored), key=len)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:10]}..{text[-4:]}"


def _first(names: Sequence[str], most: int = 4) -> str:
    """Returns names as a line can hold them: a table of sixty rows waits for all of them."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
