"""A command with an option for each metric of `METRICS`, so that a new one needs no line in the command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from pipeline.evaluation.metrics import METRICS

C = TypeVar("C", bound=Callable[..., None])


def with_metric_options(before: str) -> Callable[[C], C]:
    """Returns what puts the options in front of another one; the command takes them as ``**`` keywords."""

    def decorate(command: C) -> C:
        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        place = [each.name for each in own].index(before)
        own[place:place] = [_option(name) for name in METRICS]
        command.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]  # what typer reads
        return command

    return decorate


def _option(name: str) -> inspect.Parameter:
    entry = METRICS[name]
    setting: Any = entry.setting
    kind = Annotated[setting | None, typer.Option(help=entry.help)]
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=kind)
