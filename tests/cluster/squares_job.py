"""Runs the config of a `World` on a Ray of its own, or that of RAY_ADDRESS: a driver to be ended from outside.

python -m tests.cluster.squares_job CONFIG [wait=MINUTES] [only=NODE,...] [NODE.FIELD=VALUE ...]
"""

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
    waits = [float(each.removeprefix("wait=")) for each in sys.argv[2:] if each.startswith("wait=")]
    only = [each.removeprefix("only=").split(",") for each in sys.argv[2:] if each.startswith("only=")]
    sets = [each for each in sys.argv[2:] if not each.startswith(("wait=", "only="))]
    config = load_config(Path(sys.argv[1]), STAGES, sets)
    store = Store(config.store)
    with stoppable("go on as before"), StoreLock(store, "squares job"):
        options = Options(frozenset(only[0] if only else config.graph.order))
        cpus, wait = None if joined() else 2, waits[0] if waits else None
        try:
            outcome = Runner(config.graph, store, options, lambda: RayExecutor(cpus=cpus, wait_minutes=wait)).run()
        except ValueError as error:
            sys.exit(str(error))
    sys.exit(1 if outcome.failed or outcome.blocked else 0)
