from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.cli import completion

ROOT = Path(__file__).resolve().parents[3]


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


def test_a_shell_gets_them_where_they_are_typed() -> None:
    typed = {"_WIDER8K_COMPLETE": "complete_bash", "COMP_WORDS": "wider8k run -c smo", "COMP_CWORD": "3"}
    program = "import sys; sys.argv[0] = 'wider8k'; from stages.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, **typed}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["smoke"], done.stderr
