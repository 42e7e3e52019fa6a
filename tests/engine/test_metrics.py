from __future__ import annotations

import inspect

from pipeline.cluster.ray_metrics import RayMetrics
from pipeline.engine.metrics import Metrics, NoMetrics


def test_all_that_publish_take_what_the_interface_says():
    methods = [name for name in vars(Metrics) if not name.startswith("_")]
    assert len(methods) == 5
    for name in methods:
        wanted = list(inspect.signature(getattr(Metrics, name)).parameters)
        for kind in (NoMetrics, RayMetrics):
            assert list(inspect.signature(getattr(kind, name)).parameters) == wanted


def test_a_run_without_an_endpoint_publishes_nothing_and_loads_no_ray(world):
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from pipeline.engine.config import load_config\n"
        "from pipeline.engine.executor import LocalExecutor; from pipeline.engine.plan import Options\n"
        "from pipeline.engine.runner import Runner; from pipeline.engine.storage import Store\n"
        "from tests.engine.squares import STAGES\n"
        "c = load_config(Path(sys.argv[1]), STAGES, [])\n"
        "Runner(c.graph, Store(c.store), Options(frozenset(c.graph.order)), LocalExecutor).run()\n"
        "print([name for name in ('ray', 'prometheus_client', 'opentelemetry') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, str(world.folder / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
