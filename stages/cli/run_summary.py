"""What a run cost: images per second, share of the device, seconds and errors of each node, and errors by kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pipeline.engine.error_kind import count_kinds
from pipeline.engine.graph import Node
from pipeline.engine.node_progress import duration
from pipeline.engine.outcome import Outcome
from pipeline.engine.stage import MapStage
from pipeline.evaluation.result_table import ResultTable

KINDS: Final = 10  # of errors that are named
_HEADER: Final = ("node", "rows", "rows/s", "device", "time", "work", "errors")
_NOTE: Final = (
    "time: on the clock; work: of all its workers; device: share of the work in the network or waiting for it"
)


def run_summary(outcome: Outcome, nodes: Mapping[str, Node]) -> str:
    """Returns lines on what was computed in a run; empty where nothing was.

    Args:
        outcome: of the run.
        nodes: of its graph.
    """
    computed = [name for name in outcome.outputs if name in outcome.computed]
    if not computed:
        return ""
    facts = {name: outcome.outputs[name].manifest.run for name in computed}
    rows = [_row(nodes[name], facts[name], len(outcome.errors.get(name, ()))) for name in computed]
    table = ResultTable(f"computed ({_NOTE})", _HEADER, rows)
    return "\n".join([table.text(), *_kinds(outcome), _resources([(nodes[name], facts[name]) for name in computed])])


def device_share(run: Mapping[str, Any]) -> float | None:
    """Returns the share of a node's work, in 0..1, that its workers spent in the network or waiting for its device.

    Args:
        run: facts of its manifest.

    None for a node without a network.
    """
    measured = run.get("measured", {})
    seconds = measured.get("network_seconds", 0.0) + measured.get("device_wait_seconds", 0.0)
    work = run.get("seconds", 0.0)
    return min(1.0, seconds / work) if seconds and work else None


def _row(node: Node, run: Mapping[str, Any], errors: int) -> list[str]:
    wall, share = float(run["wall_seconds"]), device_share(run)
    rows = int(run["items_computed"]) if isinstance(node.stage, MapStage) else 0
    return [
        node.name,
        f"{rows}" if rows else "",
        f"{rows / wall:.3g}" if rows and wall else "",
        "" if share is None else f"{share:.0%}",
        duration(wall),
        duration(float(run["seconds"])),
        f"{errors}" if errors else "",
    ]


def _kinds(outcome: Outcome) -> Iterator[str]:
    """Yields a line per kind of error, the most frequent first."""
    found = [(f"{name} {key}", message) for name, errors in outcome.errors.items() for key, message in errors]
    kinds = count_kinds(found)
    if kinds:
        yield "errors by kind"
    for kind, count, first in kinds[:KINDS]:
        yield f"  {count:>5} x {kind} (first: {first})"
    if rest := sum(count for _, count, _ in kinds[KINDS:]):
        yield f"  {rest:>5} of {len(kinds) - KINDS} other kinds"


def _resources(nodes: Sequence[tuple[Node, Mapping[str, Any]]]) -> str:
    """Returns what the nodes had reserved for as long as their workers worked."""
    cpu = gpu = 0.0
    for node, run in nodes:
        # The seconds of a training are those of one of its processes; of shards they are added up already.
        processes = 1 if isinstance(node.stage, MapStage) or not node.stage.distributed else node.resources.workers
        cpu += run["seconds"] * processes * node.resources.cpus / 3600
        gpu += run["seconds"] * processes * node.resources.gpus / 3600
    return f"used: {cpu:.3g} CPU-hours, {gpu:.3g} GPU-hours"
