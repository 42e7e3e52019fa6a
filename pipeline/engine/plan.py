"""What to do about every node, and why: reuse it, resume it, run it, or say what blocks it. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pipeline.engine.assign import Assignment, assign
from pipeline.engine.fingerprint import canonical, difference, digest
from pipeline.engine.graph import Graph, Node
from pipeline.engine.manifest import Artifact, Manifest, load_manifest, stored_manifests
from pipeline.engine.shards import finished_shards
from pipeline.engine.stage import Item, MapStage, StageContext
from pipeline.engine.storage import Store


class Verdict(StrEnum):
    """What will happen to a node."""

    REUSE = "reuse"
    RESUME = "resume"
    RUN = "run"
    BLOCKED = "blocked"
    LEFT = "left out"


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
        verdict, reason: what and why, for people.
        payload, fingerprint, recipe: identity; None where an input's identity is unknown (blocked).
        items: all items of a map stage, known once its inputs are there.
        assignment: stored shards to keep and new ones to compute, known likewise.
        artifact: the finished output, for `Verdict.REUSE` only.
        unfit: the node itself cannot run (bad path, bad weights), as opposed to waiting for another one.
    """

    node: Node
    verdict: Verdict
    reason: str
    payload: Mapping[str, Any] | None = None
    fingerprint: str | None = None
    recipe: str | None = None
    items: tuple[Item, ...] | None = field(default=None, repr=False)
    assignment: Assignment | None = field(default=None, repr=False)
    artifact: Artifact | None = field(default=None, repr=False)
    unfit: bool = False


def plan(graph: Graph, store: Store, options: Options) -> dict[str, NodePlan]:
    """Returns node name -> decision, in the graph's order."""
    plans: dict[str, NodePlan] = {}
    for name in graph.order:
        plans[name] = plan_node(graph, name, store, plans, options)
    return plans


def plan_node(graph: Graph, name: str, store: Store, upstream: Mapping[str, NodePlan], options: Options) -> NodePlan:
    """Returns the decision about one node, given those about its inputs."""
    node = graph.nodes[name]
    unknown = [u for u in node.upstream if upstream[u].fingerprint is None]
    if unknown:
        return NodePlan(node, Verdict.BLOCKED, f"by {', '.join(unknown)}")
    ready = all(upstream[u].artifact for u in node.upstream)
    try:
        ctx = context(graph, name, upstream) if ready else None
        items = _items(node, ctx, options.limit) if ctx and isinstance(node.stage, MapStage) else None
        payload = _payload(node, upstream, items)
        node.stage.check(node.at, node.inputs)
    except (ValueError, OSError) as error:
        return NodePlan(node, Verdict.BLOCKED, str(error), unfit=name in options.selected)
    recipe = _recipe(node, payload)
    known = NodePlan(node, Verdict.RUN, "", payload, digest(payload), recipe, items)
    return _decide(known, store, upstream, options, ready)


def context(graph: Graph, name: str, upstream: Mapping[str, NodePlan]) -> StageContext:
    """Returns the stage context of a node whose inputs are all finished."""
    node = graph.nodes[name]
    inputs = {
        port: tuple(a for u in node.inputs.get(port, ()) if (a := upstream[u].artifact)) for port in node.stage.inputs
    }
    places = {each.name: each.at for each in graph.nodes.values()}
    return StageContext(name, node.at, node.resources, inputs, places)


def _items(node: Node, ctx: StageContext, limit: int | None) -> tuple[Item, ...]:
    assert isinstance(node.stage, MapStage)
    items = tuple(node.stage.items(ctx))
    return items[:limit] if not node.upstream else items


def _payload(node: Node, upstream: Mapping[str, NodePlan], items: tuple[Item, ...] | None) -> dict[str, Any]:
    payload = {
        "stage": node.stage.name,
        "version": node.stage.version,
        "params": node.stage.model_dump(mode="python"),
        "externals": dict(node.stage.externals(node.at)),
        "inputs": {port: [upstream[u].fingerprint for u in names] for port, names in node.inputs.items()},
    }
    if not node.upstream and items is not None:
        payload["dataset"] = {"items": len(items), "digest": digest([[i.key, i.stamp] for i in items])}
    plain: dict[str, Any] = canonical(payload, node.name)
    return plain


def _recipe(node: Node, payload: Mapping[str, Any]) -> str:
    if not isinstance(node.stage, MapStage):
        return digest(payload, size=8)
    # The mapped input and the dataset reach a row through its item alone.
    inputs = {port: names for port, names in payload["inputs"].items() if port != node.stage.over}
    return digest({**{k: v for k, v in payload.items() if k != "dataset"}, "inputs": inputs}, size=8)


def _decide(known: NodePlan, store: Store, upstream: Mapping[str, NodePlan], options: Options, ready: bool) -> NodePlan:
    node, name = known.node, known.node.name
    assert known.fingerprint and known.recipe and known.payload
    forced = name in options.force and name in options.selected
    manifest = load_manifest(store, name, known.recipe, known.fingerprint)
    broken = manifest.broken(store) if manifest else []
    retry = options.retry_errors and manifest is not None and bool(manifest.errors) and name in options.selected
    stale = [u for u in node.upstream if manifest and _has_new_rows(manifest, upstream[u])]
    if manifest and not (broken or forced or retry or stale):
        return replace(
            known, verdict=Verdict.REUSE, reason=f"{manifest.rows} rows stored", artifact=Artifact(store, manifest)
        )
    if name not in options.selected:
        return replace(known, verdict=Verdict.LEFT, reason="not selected and not stored")
    absent = [u for u in node.upstream if upstream[u].verdict in (Verdict.BLOCKED, Verdict.LEFT)]
    if absent:
        return replace(known, verdict=Verdict.BLOCKED, reason=f"by {', '.join(absent)}")
    if forced:
        reason = "forced"
    elif broken:
        reason = f"{len(broken)} stored shards are damaged or missing"
    elif stale:
        reason = f"errors of {', '.join(stale)} are computed again"
    else:
        reason = f"{len(manifest.errors)} errors to retry" if retry and manifest else _why_new(known, store)
    if not ready:
        waits = [u for u in node.upstream if upstream[u].artifact is None]
        return replace(known, reason=f"{reason}; after {', '.join(waits)}")
    if known.items is None:
        return replace(known, reason=reason)
    return _with_shards(replace(known, reason=reason), store, forced, options.retry_errors)


def _has_new_rows(manifest: Manifest, upstream: NodePlan) -> bool:
    """Whether an input of the same identity gives, or may soon give, rows where it gave errors before."""
    if upstream.artifact is None:
        return upstream.verdict in (Verdict.RUN, Verdict.RESUME)
    return manifest.input_errors.get(upstream.node.name) != upstream.artifact.manifest.error_digest


def _with_shards(known: NodePlan, store: Store, forced: bool, retry_errors: bool) -> NodePlan:
    assert known.items is not None and known.recipe
    stored = [] if forced else finished_shards(store, f"{known.node.name}/{known.recipe}", known.recipe)
    assignment = assign(known.items, stored, known.node.resources.shard_rows, retry_errors)
    todo = sum(len(part) for part in assignment.todo)
    done = len(known.items) - todo
    if not done:
        return replace(
            known, reason=f"{known.reason}; {todo} items in {len(assignment.todo)} shards", assignment=assignment
        )
    reason = f"{done} of {len(known.items)} items stored, {todo} to do in {len(assignment.todo)} shards"
    return replace(known, verdict=Verdict.RESUME, reason=reason, assignment=assignment)


def _why_new(known: NodePlan, store: Store) -> str:
    changes = differences(known, store)
    if changes is None:
        return "nothing stored yet"
    shown = "; ".join(f"{field} {_short(old)} -> {_short(new)}" for field, old, new in changes[:2])
    more = f" and {len(changes) - 2} more" if len(changes) > 2 else ""
    return f"changed: {shown}{more}" if changes else "stored shards without a manifest"


def differences(known: NodePlan, store: Store) -> list[tuple[str, Any, Any]] | None:
    """Returns (field, stored, wanted) against the most similar stored output of this node; None if there is none."""
    stored = stored_manifests(store, known.node.name)
    if not stored or known.payload is None:
        return None
    return min((difference(m.payload, known.payload) for m in stored), key=len)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:10]}..{text[-4:]}"
