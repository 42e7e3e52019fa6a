"""configs: the ones that come with the project, to be run by name or copied and edited."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path
from typing import Annotated, Final

import typer

from pipeline.engine.registry import nearest
from stages.cli.completion import config_names
from stages.packaged_configs import CONFIGS, packaged_configs, summary, with_bases

_HELP = """List the configs that come with the project, a line each; any of them is run by its name.

Example: wider8k configs

Example: wider8k run -c smoke
"""

_FIRST: Final = {
    name: place for place, name in enumerate(("smoke", "folder", "own", "wider_val", "benchmarks", "dump_8k"))
}
"""What most people run first, before those of the papers."""

group = typer.Typer(help=_HELP, invoke_without_command=True, rich_markup_mode=None)


@group.callback()
def _list(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        files = sorted(packaged_configs(), key=lambda file: _FIRST.get(file.stem, len(_FIRST)))
        width = max(len(file.stem) for file in files)
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for file in files:
            line = f"{file.stem:{width}}  {summary(file)}"
            print(textwrap.fill(line, columns, subsequent_indent=" " * (width + 2)) if columns else line)
        print("run one: wider8k run -c smoke; edit one: wider8k configs copy own experiments")


@group.command()
def copy(
    name: Annotated[str, typer.Argument(help="Name of a config, see wider8k configs.", autocompletion=config_names)],
    folder: Annotated[Path, typer.Argument(help="Where it goes; made where there is none.")] = Path(),
) -> None:
    """Copy a config, and what it is based on, into a folder, to be edited and run.

    Example: wider8k configs copy own experiments
    """
    names = [file.stem for file in packaged_configs()]
    stem = name.removesuffix(".yaml")
    if stem not in names:
        raise ValueError(f"there is no config {name!r}{nearest(stem, names)}; wider8k configs lists them")
    files = list(with_bases(CONFIGS / f"{stem}.yaml"))
    for file in files:
        if (folder / file).exists() and (folder / file).read_bytes() != (CONFIGS / file).read_bytes():
            raise ValueError(f"{folder / file}: there is another file of this name: give another folder")
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CONFIGS / file, folder / file)
        print(folder / file)
    print(f"run it: wider8k run -c {folder / files[0]}")
