"""Whether a run publishes its figures for Prometheus, and the line that says where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from pipeline.engine.metrics import Metrics, NoMetrics

MetricsOption = Annotated[
    bool | None,
    typer.Option(
        "--metrics/--no-metrics",
        help="Figures for Prometheus at Ray's endpoint; by default on a cluster that is joined.",
        show_default=False,
    ),
]


def metrics_of_run(wanted: bool | None, local: bool, log: Callable[[str], None]) -> Callable[[str], Metrics]:
    """Returns what makes the metrics of a run from its id, once Ray is there.

    Args:
        wanted: as asked for; None for on a cluster that is joined, and not on one that lives as long as the run.
        local: the run does without Ray.
        log: takes the line with the addresses.

    Raises ValueError: they are asked for without Ray.
    """
    if local:
        if wanted:
            raise ValueError("--metrics: the figures are at an endpoint of Ray, which --local does without")
        return lambda run_id: NoMetrics()
    from pipeline.cluster.address import joined
    from pipeline.cluster.ray_metrics import RayMetrics, endpoints, report_often

    if not (joined() if wanted is None else wanted):
        return lambda run_id: NoMetrics()
    if not joined():
        report_often()

    def make(run_id: str) -> Metrics:
        log(f"metrics: {' '.join(endpoints()) or 'no machine has an endpoint for them'}")
        return RayMetrics(run_id)

    return make
