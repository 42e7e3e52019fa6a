"""Options that several commands on a config share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.engine.registry import nearest
from stages.cli.completion import config_names
from stages.packaged_configs import find_config, packaged_configs


def _config_file(typed: Path) -> Path:
    """Returns a config file. Raises FileNotFoundError: neither at the path nor among the packaged ones."""
    found = find_config(typed)
    if not found.exists():
        packaged = [file.stem for file in packaged_configs()]
        near = nearest(typed.stem, packaged) if typed.name in (typed.stem, f"{typed.stem}.yaml") else ""
        hint = near if "did you mean" in near else ""
        raise FileNotFoundError(f"{typed}: no such config file{hint}; wider8k configs lists those that come with it")
    if found.is_dir():
        raise FileNotFoundError(
            f"{typed}: expected a config file, found a folder; wider8k configs lists those that come"
        )
    return found


ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        help="YAML file, or the name of a packaged one: smoke.",
        callback=_config_file,
        autocompletion=config_names,
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="node.field=value, e.g. boxes.canvas=8k; repeatable.")
]
OnlyOption = Annotated[list[str] | None, typer.Option(help="This node alone; repeatable.")]
FromOption = Annotated[str | None, typer.Option("--from", help="This node and all that depend on it.")]
UntilOption = Annotated[str | None, typer.Option(help="This node and all it depends on.")]
ForceOption = Annotated[list[str] | None, typer.Option(help="Compute this node again; repeatable.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Only the first N images of each dataset.")]
MachineOption = Annotated[
    str | None, typer.Option(help="Resources of this profile among the config's `machines`, e.g. gpu4.")
]
RetryOption = Annotated[bool, typer.Option("--retry-errors", help="Compute rows again that hold an error.")]
WaitOption = Annotated[
    float | None,
    typer.Option(
        "--wait-minutes",
        min=0,
        help="How long a node waits for a machine with room for it. "
        "By default 10 where an autoscaler may start one or the last one is lost, and else not at all.",
    ),
]
