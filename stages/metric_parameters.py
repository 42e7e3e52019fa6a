"""A stage with a parameter for each metric of `METRICS`, so that a new one needs no line in the stage."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, TypeVar

from pydantic import Field, create_model

from pipeline.engine.stage import Stage
from pipeline.evaluation.metrics import METRICS

S = TypeVar("S", bound=Stage)


def with_metrics(kind: type[S]) -> type[S]:
    """Returns a stage with the setting of each metric after its own parameters, None by default.

    Its docstring, which ends with the list of its parameters, goes on with theirs.
    """
    own = inspect.cleandoc(kind.__doc__ or "")
    lines = [f"    {name}: {entry.help} None does not." for name, entry in METRICS.items()]
    fields: dict[str, Any] = {name: (_optional(entry.setting), None) for name, entry in METRICS.items()}
    doc = "\n".join([own, *lines])
    return create_model(kind.__name__, __base__=kind, __module__=kind.__module__, __doc__=doc, **fields)


def _optional(setting: Any) -> Any:
    return Annotated[float | None, Field(allow_inf_nan=False)] if setting is float else setting | None


def asked_metrics(stage: Stage) -> dict[str, Any]:
    """Returns name -> setting of all metrics, for `count_metrics`."""
    return {name: getattr(stage, name) for name in METRICS}
