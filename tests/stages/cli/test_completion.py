from __future__ import annotations

import pytest
from typer.testing import CliRunner

from stages.cli import completion
from stages.cli.main import app


@pytest.mark.parametrize(
    ("completes", "typed", "found"),
    [
        (completion.config_names, "smo", ["smoke"]),
        (completion.weight_names, "retinaface_mobilenet_", ["retinaface_mobilenet_mb1"]),
        (completion.label_forms, "c", ["coco_json", "csv", "cvat"]),
        (completion.prediction_forms, "d", ["detect_json", "dump"]),
        (completion.benchmarks, "w", ["wider"]),
        (completion.config_names, "./", []),  # the shell completes files
    ],
)
def test_names_that_begin_so(completes: completion.Completer, typed: str, found: list[str]) -> None:
    assert completes(typed) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("wider8k run -c smo", ["smoke"]),
        ("wider8k detect --weights retinaface_mobilenet_", ["retinaface_mobilenet_mb1"]),
        ("wider8k re", ["reproduce"]),
    ],
)
def test_a_shell_gets_them_where_they_are_typed(line: str, found: list[str]) -> None:
    typed = {"_WIDER8K_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    answer = CliRunner().invoke(app, env=typed, prog_name="wider8k")
    assert answer.output.split() == found, answer.exception
