from __future__ import annotations

import inspect
from typing import ClassVar

import pytest
from pydantic import ValidationError

from pipeline.engine.stage import WholeStage
from stages.evaluate import Evaluate
from stages.metric_parameters import asked_metrics, with_metrics


class Plain(WholeStage):
    """A stage.

    Attributes:
        size: of something.
    """

    name: ClassVar[str] = "plain"

    size: int = 3


def test_settings_follow_the_stages_own_parameters_and_are_explained() -> None:
    kind = with_metrics(Plain)
    assert list(kind.model_fields) == ["size", "false_alarms"]
    assert issubclass(kind, Plain) and (kind.__module__, kind.__qualname__) == (__name__, "Plain")
    text = inspect.getdoc(kind) or ""
    assert text.endswith(
        "\n    size: of something.\n    false_alarms: Count boxes from this score on that hit no face. None does not."
    )


def test_settings_are_asked_by_name_and_checked() -> None:
    assert asked_metrics(Evaluate()) == {"false_alarms": None}
    assert asked_metrics(Evaluate.model_validate({"false_alarms": 0})) == {"false_alarms": 0.0}
    for wrong in (float("nan"), "many"):
        with pytest.raises(ValidationError, match="false_alarms"):
            Evaluate.model_validate({"false_alarms": wrong})
