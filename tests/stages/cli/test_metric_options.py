from __future__ import annotations

import subprocess
import sys
from inspect import Parameter, signature
from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from stages.cli.metric_options import with_metric_options

Size = Annotated[int, typer.Option(help="Of something.")]


@with_metric_options(before="size")
def count(name: str, size: Size = 3, **metrics: Any) -> None:
    """Count."""
    print(name, size, metrics)


def test_options_come_before_the_named_one_and_reach_the_command() -> None:
    assert list(signature(count).parameters) == ["name", "false_alarms", "size"]
    assert all(each.kind is Parameter.POSITIONAL_OR_KEYWORD for each in signature(count).parameters.values())
    app = typer.Typer(rich_markup_mode=None)
    app.command()(count)
    for typed, printed in (([], None), (["--false-alarms", "0.5"], 0.5)):
        answer = CliRunner().invoke(app, ["x", *typed])
        assert answer.stdout == f"x 3 { ({'false_alarms': printed}) }\n", answer.output
    assert "Count boxes from this score on that hit no face." in CliRunner().invoke(app, ["--help"]).stdout
    assert CliRunner().invoke(app, ["x", "--false-alarms", "many"]).exit_code == 2


def test_the_options_of_the_command_are_known_without_what_counts() -> None:
    code = "import sys, stages.cli.evaluate; print({'numpy', 'pyarrow', 'pydantic'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
