"""export: a checkpoint's network as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.models.published import weights_file
from stages.cli.outputs import require_files


def export(
    weights: Annotated[
        Path,
        typer.Argument(
            help="Checkpoint: ours (.safetensors), a published one (.pth), or a name of `wider8k weights list`.",
            callback=weights_file,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The .onnx file to write.")],
    detector: Annotated[str | None, typer.Option(help="Needed only where the weights do not name it.")] = None,
) -> None:
    """Write a detector's network as ONNX, any batch and size, and prove it equal to torch's.

    Anchors, decoding and suppression stay outside. Needs the extra: pip install "wider8k[onnx]".

    Example: wider8k export runs/smoke/detector.safetensors --out detector.onnx
    """
    from pipeline.inference.onnx_export import export_onnx
    from pipeline.models.weights import open_detector

    require_files({"--out": out}, [weights])
    name, network = open_detector(weights, detector)
    done = export_onnx(network, out, name=name)
    for (batch, height, width), difference in done.differences.items():
        print(f"{batch} x {height} x {width}: onnxruntime and torch differ by {difference:.1e} at most")
    print(f"{name}: {out}, {out.stat().st_size / 1e6:.1f} MB, images -> {', '.join(done.outputs)}")
