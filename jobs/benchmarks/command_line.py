"""Common parts of the commands of `jobs/benchmark.py`: check options, find real data, print sections."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import typer

from jobs.benchmarks.results import Section, as_json, table

ROOT = Path(__file__).resolve().parents[2]


def check(option: str, values: Sequence[str], known: Callable[[str], object]) -> None:
    """Raises BadParameter where one of an option's values is not known."""
    try:
        for value in values:
            known(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def begin(name: str, **options: object) -> str:
    """Prints a command's name, and returns the command line with these options; a list repeats its option."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    words = ["uv run python jobs/benchmark.py", name]
    for option, value in options.items():
        words += [f"--{option.replace('_', '-')} {each}" for each in (value if isinstance(value, list) else [value])]
    return " ".join(words)


def measured(name: str, make: Callable[[], Section], **options: object) -> Section:
    """Returns the section that `make` measures, with the command that repeats it, see `begin`."""
    command = begin(name, **options)
    return replace(make(), command=command)


def shared_folder(given: Path | None) -> Path | None:
    """Returns the folder of real data, or None where there is none and none was asked for."""
    folder = given or Path(os.environ.get("WIDER8K_SHARED", ROOT.parent / "shared"))
    if (folder / "data").is_dir():
        return folder.resolve()
    if given:
        raise typer.BadParameter(f"{given} has no folder data", param_hint="--shared")
    return None


def conclude(sections: list[Section], json: Path | None) -> None:
    """Prints all sections, and writes every digit where that was asked for."""
    print(table(sections))
    if json:
        json.write_text(jsonlib.dumps(as_json(sections), indent=1) + "\n", encoding="utf-8")
        print(f"all digits: {json}")
