"""weights: fetch a published checkpoint, convert one to our format, or look into one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.engine.node_progress import ProgressState, duration
from pipeline.engine.terminal import BottomLines, has_cursor, render, terminal_size
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.published import PUBLISHED, cached, fetch
from stages.cli.completion import weight_names
from stages.cli.outputs import require_files, require_folder

_HELP = """Fetch published checkpoints, convert them to our format, or look into one.

Example: wider8k weights inspect runs/smoke/detector.safetensors
"""

group = typer.Typer(help=_HELP, no_args_is_help=True, rich_markup_mode=None)

Switches = Annotated[
    list[str] | None, typer.Option("--switch", help="name=value of the detector's factory, e.g. depth=101; repeatable.")
]


@group.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Published checkpoint (.pth) or our own (.safetensors).")],
    out: Annotated[Path, typer.Option(help="File to write, .safetensors.")],
    detector: Annotated[str | None, typer.Option(help="Needed only where the weights do not name it.")] = None,
    switch: Switches = None,
) -> None:
    """Write a checkpoint in our format: our names, safetensors, the detector and where it came from inside.

    Example: wider8k weights convert MogFace.pth --detector mogface_official --out mogface.safetensors
    """
    from pipeline.models.weights import built, load, save_bytes

    require_folder("--out", out.parent)
    if out.parent.is_dir():
        require_files({"--out": out}, [source])
    checkpoint = Checkpoint(source)
    name = checkpoint.detector(detector)
    model_args = _model_args(checkpoint, switch)
    network = built(DETECTORS[name].build, model_args, checkpoint)
    report = load(network, checkpoint)
    config: dict[str, Any] = {"source": source.name, "source_sha256": checkpoint.content_hash}
    if model_args:
        config["model_args"] = model_args
    data = save_bytes(name, network, config)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(data)
    print(f"{out}: {name}, {report}, sha256 {Checkpoint(data).content_hash}")


@group.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="Checkpoint: our own (.safetensors) or a published one (.pth).")],
    detector: Annotated[str | None, typer.Option(help="Needed only where the weights do not name it.")] = None,
    switch: Switches = None,
) -> None:
    """Print the detector of a checkpoint, its size and hash, and how its names match the network's.

    Exit code 1 where a name is missing, unexpected or of another shape: each has a line of its own.

    Example: wider8k weights inspect mogface.safetensors
    """
    from pipeline.models.weights import built, load

    checkpoint = Checkpoint(file)
    name = checkpoint.detector(detector)
    network = built(DETECTORS[name].build, _model_args(checkpoint, switch), checkpoint)
    report = load(network, checkpoint, partial=True)
    print(f"detector    {name}: {DETECTORS[name].description}")
    print(f"parameters  {sum(parameter.numel() for parameter in network.parameters()):,}")
    print(f"sha256      {checkpoint.content_hash}")
    for key, value in sorted(checkpoint.config.items()):
        if key != "detector":
            print(f"{key:<11} {value}")
    print(f"names       {len(report.matched)} of {len(network.state_dict())} matched")
    for label in ("missing", "unexpected", "mismatched"):
        for line in getattr(report, label):
            print(f"{label:<11} {line}")
    if not report.complete:
        raise typer.Exit(1)


@group.command("list")
def list_published() -> None:
    """List the published checkpoints that can be fetched: AP as their authors claim it, licence, source, sha256, place.

    Example: wider8k weights list
    """
    for name, file in PUBLISHED.items():
        print(f"{name}: AP {file.claim} (claimed); {file.licence}; {file.size / 1e6:.1f} MB; from {file.source}")
        print(f"  sha256 {file.sha256}")
        target = cached(name)
        print(f"  {target}" if target.exists() else f"  not fetched yet: wider8k weights get {name}")


@group.command()
def get(
    name: Annotated[
        str,
        typer.Argument(help="Name of a published checkpoint, see wider8k weights list.", autocompletion=weight_names),
    ],
) -> None:
    """Fetch a published checkpoint into the user's cache and check it; --weights then takes its name.

    Example: wider8k weights get retinaface_mobilenet
    """
    bar, begun = BottomLines(sys.stderr), time.monotonic()

    def progress(done: int, total: int) -> None:
        rate = done / max(time.monotonic() - begun, 1e-9)
        left = f"{duration((total - done) / rate)} left" if rate else ""
        count = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
        state = ProgressState(name, count, done / total, left, rate=f"{rate / 1e6:.1f} MB/s")
        bar.draw(render([state], *terminal_size(sys.stderr)))

    try:
        file = fetch(name, progress=progress) if has_cursor(sys.stderr) else fetch(name)
    finally:
        bar.clear()
    print(f"{file}: sha256 right; --weights {name} uses it")


def _model_args(checkpoint: Checkpoint, given: list[str] | None) -> dict[str, Any]:
    """Returns the model args written into the file, and over them those given."""
    from pipeline.engine.literal_yaml import parse_literal, resolved  # 0.03 s, which a list has no use for

    model_args = checkpoint.model_args
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--switch {text}: expected name=value")
        model_args[name] = resolved(parse_literal(value, f"--switch {text}"), Any)
    return model_args
