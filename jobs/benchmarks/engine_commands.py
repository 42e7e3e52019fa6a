"""Commands of `jobs/benchmark.py` that need no network: planning, clusters of several nodes, labels of every form."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from jobs.benchmarks.command_line import conclude, measured
from jobs.benchmarks.labels import labels_section
from jobs.benchmarks.planning import planning_section
from jobs.benchmarks.results import writable
from jobs.benchmarks.scaling import scaling_section, sharing_section

JsonOption = Annotated[Path | None, typer.Option(help="Write every figure with all digits.", callback=writable)]

app = typer.Typer()


@app.command("planning")
def planning(
    images: Annotated[list[int] | None, typer.Option(min=1, help="Again for more; default 10,000 and 100,000.")] = None,
    store: Annotated[str | None, typer.Option(help="Folder or s3://, kept; default a temporary folder.")] = None,
    delay_ms: Annotated[float | None, typer.Option(min=0, help="In a stand-in for S3 with such requests.")] = None,
    json: JsonOption = None,
) -> None:
    """Seconds, memory and growth of plan, resume, run without work, status and clean over three nodes of many images.

    Example: uv run python jobs/benchmark.py planning --images 1000 --images 10000
    """
    sizes, far = sorted(set(images or [10_000, 100_000])), [] if delay_ms is None else [f"{delay_ms:g}"]
    make = partial(planning_section, sizes, store, delay_ms)
    conclude([measured("planning", make, images=sizes, store=[store] * bool(store), delay_ms=far)], json)


@app.command("labels")
def labels(
    images: Annotated[list[int] | None, typer.Option(min=1, help="Again for more; default 25,000 and 100,000.")] = None,
    json: JsonOption = None,
) -> None:
    """Seconds, memory and growth of listing many labelled images, from every form of labels.

    Example: uv run python jobs/benchmark.py labels --images 1000 --images 10000
    """
    sizes = sorted(set(images or [25_000, 100_000]))
    conclude([measured("labels", partial(labels_section, sizes), images=sizes)], json)


@app.command("scaling")
def scaling(
    nodes: Annotated[list[int] | None, typer.Option(min=1, help="Again for more; default 1, 2, 4 and 8.")] = None,
    images: Annotated[int, typer.Option(min=1, help="For each node of the cluster.")] = 120,
    seconds: Annotated[float, typer.Option(min=0.001, help="Of the stand-in network for an image.")] = 0.5,
    shard_rows: Annotated[int, typer.Option(min=1, help="Images of a shard.")] = 4,
    workers: Annotated[int, typer.Option(min=0, help="That three detectors share; 0: none.")] = 6,
    json: JsonOption = None,
) -> None:
    """Efficiency of clusters of simulated nodes of one worker, and how three detectors share one of them.

    Example: uv run python jobs/benchmark.py scaling --nodes 2 --images 24 --workers 0
    """
    sizes, pace = sorted({1, *(nodes or [2, 4, 8])}), (images, seconds, shard_rows)
    options = {"nodes": sizes, "images": images, "seconds": f"{seconds:g}", "shard_rows": shard_rows}
    make = [partial(scaling_section, sizes, *pace)]
    make += [partial(sharing_section, workers, images * workers // 3, seconds, shard_rows)] if workers else []
    conclude([measured("scaling", each, **options, workers=workers) for each in make], json)
