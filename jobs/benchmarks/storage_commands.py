"""Commands of `jobs/benchmark.py` on images that are far away."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from jobs.benchmarks.command_line import check, conclude, measured, shared_folder
from jobs.benchmarks.results import writable
from pipeline.data.canvas import parse_canvas

SharedOption = Annotated[Path | None, typer.Option(help="Folder of real data; default $WIDER8K_SHARED, ../shared.")]
app = typer.Typer()


@app.command("far-images")
def far_images(
    images: Annotated[int, typer.Option(min=1)] = 495,
    canvas: Annotated[str, typer.Option(help="original, 8k, an edge.")] = "original",
    delay_ms: Annotated[float, typer.Option(min=0.1, help="Of every request to a stand-in for S3.")] = 20,
    shared: Annotated[
        Path | None, typer.Option(help="Folder of real data; default $WIDER8K_SHARED, ../shared.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Alternating runs of both sides; medians count.")] = 3,
    json: Annotated[Path | None, typer.Option(help="Write every figure with all digits.", callback=writable)] = None,
) -> None:
    """Images/s of index and dump over images in a store, fetched ahead, against the same on a disk; requests.

    Example: uv run python jobs/benchmark.py far-images --images 120 --rounds 1
    """
    from jobs.benchmarks.far_images import far_images_section

    check("--canvas", [canvas], parse_canvas)
    make = partial(far_images_section, images, canvas, shared_folder(shared), delay_ms, rounds)
    conclude([measured("far-images", make, images=images, canvas=canvas, delay_ms=f"{delay_ms:g}")], json)
