"""The command `wider8k`: plan, run, explain, status, clean a pipeline; evaluate, compare, detect and more."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import metadata
from io import TextIOWrapper
from types import TracebackType
from typing import Annotated

import typer

from pipeline.engine.lock import StoreLockedError
from pipeline.engine.redaction import redact
from stages.cli import configs, dataset, predictions, weights
from stages.cli.compare import compare
from stages.cli.detect import detect
from stages.cli.doctor import doctor
from stages.cli.download import download
from stages.cli.evaluate import evaluate
from stages.cli.explain import explain
from stages.cli.export import export
from stages.cli.pipeline import clean, plan, run, status
from stages.cli.reproduce import reproduce
from stages.cli.submission import submission

LOCKED = 3  # exit code where another run holds the store

_HELP = """Finds faces in images of any size and measures how well, in runs that never compute anything twice.

First steps:

wider8k doctor

wider8k run -c smoke

wider8k detect PHOTOS --weights retinaface_mobilenet --out found
"""

app = typer.Typer(
    name="wider8k",
    help=_HELP,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    plan,
    run,
    explain,
    status,
    clean,
    evaluate,
    compare,
    reproduce,
    submission,
    detect,
    export,
    download,
    doctor,
):
    app.command()(command)
app.add_typer(weights.group, name="weights")
app.add_typer(configs.group, name="configs")
app.add_typer(dataset.group, name="dataset")
app.add_typer(predictions.group, name="predictions")


def _version(asked: bool) -> None:
    if asked:
        print(f"wider8k {metadata.version('wider8k')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the full trace of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    if debug:
        os.environ["WIDER8K_DEBUG"] = "1"


def main() -> None:
    """Runs the command line; a user's mistake is one message and exit code 2, never a trace."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no UTF-8, or no text of this terminal
    sys.excepthook = _trace
    try:
        app()
    except StoreLockedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(LOCKED)
    except (ValueError, OSError) as error:
        if os.environ.get("WIDER8K_DEBUG"):
            raise
        print(redact(f"error: {_words(error)}"), file=sys.stderr)
        sys.exit(2)


def _words(error: Exception) -> str:
    """Returns what an error says; of the system's own ones file and reason, without their number."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def _trace(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints what Python would have printed, but for keys in URLs."""
    print(redact("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr, end="")


if __name__ == "__main__":
    main()
