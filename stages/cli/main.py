"""The command `wider8k`: plan, run, explain, status, clean a pipeline; evaluate, compare, detect and more."""

from __future__ import annotations

import os
import sys
import traceback
from io import TextIOWrapper
from types import TracebackType
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from pipeline.engine.redaction import redact
from stages.cli.lazy_command import LazyCommand
from stages.cli.pandas_later import import_pandas_later

LOCKED = 3  # exit code where another run holds the store
COMMANDS: Final = {
    "plan": "stages.cli.pipeline",
    "run": "stages.cli.pipeline",
    "explain": "stages.cli.explain",
    "status": "stages.cli.pipeline",
    "clean": "stages.cli.pipeline",
    "evaluate": "stages.cli.evaluate",
    "compare": "stages.cli.compare",
    "reproduce": "stages.cli.reproduce",
    "submission": "stages.cli.submission",
    "detect": "stages.cli.detect",
    "export": "stages.cli.export",
    "download": "stages.cli.download",
    "doctor": "stages.cli.doctor",
    "weights": "stages.cli.weights",
    "configs": "stages.cli.configs",
    "dataset": "stages.cli.dataset",
    "predictions": "stages.cli.predictions",
}
"""Each command and the module of its function or group, in the order of `wider8k --help`. A new one is a line here."""

_HELP = """Finds faces in images of any size and measures how well, in runs that reuse every stored result.

First steps:

wider8k doctor

wider8k run -c smoke

wider8k detect PHOTOS --weights retinaface_mobilenet --out found
"""


class _Commands(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, module in COMMANDS.items():
            self.add_command(LazyCommand(name, module))


app = typer.Typer(
    name="wider8k",
    cls=_Commands,
    help=_HELP,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib import metadata  # 0.03 s, for this option alone

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
    import_pandas_later()
    try:
        app()
    except RuntimeError as error:
        from pipeline.engine.lock import StoreLockedError  # with pyarrow, 0.15 s, which a help has no use for

        if not isinstance(error, StoreLockedError):
            raise
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
