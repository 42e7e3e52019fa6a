"""Prerequisites of the measured node: computed here, without Ray, and kept for all rounds.

Nothing here imports Ray: processes whose memory is measured import this.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

from pipeline.engine.executor import LocalExecutor
from pipeline.engine.graph import Graph
from pipeline.engine.outcome import Outcome
from pipeline.engine.plan import Decision, Options, plan
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from stages.cli.pandas_later import import_pandas_later

P = ParamSpec("P")
T = TypeVar("T")


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
    require_success(in_new_process(compute, graph, before, store))


def compute(graph: Graph, nodes: frozenset[str], store: Store) -> Outcome:
    """Returns what became of some nodes, computed in this process."""
    return Runner(graph, store, Options(nodes), LocalExecutor).run()


def require_success(outcome: Outcome) -> None:
    """Raises RuntimeError where a node failed or was never begun."""
    if outcome.failed or outcome.blocked:
        raise RuntimeError(f"the benchmark's pipeline failed: {outcome.failed or outcome.blocked}")


def in_new_process(work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Returns what `work` returns in a process of its own, like the command line's: with memory of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), import_pandas_later) as pool:
        return pool.submit(work, *arguments, **options).result()
