"""Runs the config of a `World` on a Ray of its own, or that of RAY_ADDRESS: a driver to be ended from outside."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.cluster.address import joined
from pipeline.cluster.ray_executor import RayExecutor
from pipeline.engine.config import load_config
from pipeline.engine.lock import StoreLock
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.stopping import stoppable
from pipeline.engine.storage import Store
from tests.engine.squares import STAGES

if __name__ == "__main__":
    config = load_config(Path(sys.argv[1]), STAGES, sys.argv[2:])
    store = Store(config.store)
    with stoppable("go on as before"), StoreLock(store, "squares job"):
        options = Options(frozenset(config.graph.order))
        outcome = Runner(config.graph, store, options, lambda: RayExecutor(cpus=None if joined() else 2)).run()
    sys.exit(1 if outcome.failed or outcome.blocked else 0)
