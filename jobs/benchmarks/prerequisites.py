"""Prerequisites of the measured node: computed here, without Ray, and kept for all rounds."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from pipeline.engine.executor import LocalExecutor
from pipeline.engine.graph import Graph
from pipeline.engine.plan import Decision, Options, plan
from pipeline.engine.runner import Outcome, Runner
from pipeline.engine.storage import Store


def prepare(graph: Graph, node: str, store: Store) -> None:
    """Computes what a node depends on and is not stored yet, and removes the node's own output.

    In a process of its own, so that the runs that follow inherit neither its memory nor its settings.

    Raises:
        RuntimeError: a node failed.
    """
    store.delete_folder(node)
    before = frozenset(graph.ancestors(node))
    plans = plan(graph, store, Options(before))
    if all(plans[name].decision is Decision.REUSE for name in before):
        return
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        require_success(pool.submit(compute, graph, before, store).result())


def compute(graph: Graph, nodes: frozenset[str], store: Store) -> Outcome:
    """Returns what became of some nodes, computed in this process."""
    return Runner(graph, store, Options(nodes), LocalExecutor).run()


def require_success(outcome: Outcome) -> None:
    """Raises RuntimeError where a node failed or was never begun."""
    if outcome.failed or outcome.blocked:
        raise RuntimeError(f"the benchmark's pipeline failed: {outcome.failed or outcome.blocked}")
