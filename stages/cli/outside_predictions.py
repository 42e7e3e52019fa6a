"""Predictions of others, from files, evaluated on the images of a finished run: further rows and curves of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.data.predictions.forms import recognise
from pipeline.evaluation.evaluate_files import LabelledImages, read_inputs
from pipeline.evaluation.evaluation_table import EvaluationRow
from pipeline.evaluation.metrics import METRICS, ap_values, figures_of
from pipeline.evaluation.run_result import RunResult
from stages.cli.finished_run import FinishedRun
from stages.evaluate import evaluated_images


def named_files(given: Sequence[str]) -> dict[str, Path]:
    """Returns name -> file of texts NAME=FILE.

    >>> named_files(["yolov7_face=yolov7_face.tar.gz"])
    {'yolov7_face': PosixPath('yolov7_face.tar.gz')}

    Raises ValueError: a text has no name, a name comes twice, there is no such file, or it holds no predictions.
    """
    found: dict[str, Path] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--beside {text}: expected NAME=FILE, found no name")
        if name in found:
            raise ValueError(f"--beside {text}: {name} comes twice")
        if not Path(file).exists():
            raise ValueError(f"--beside {text}: expected predictions, found no file {file}")
        recognise(Path(file))  # before hours of computing
        found[name] = Path(file)
    return found


def outside_rows(run: FinishedRun, node: str, files: Mapping[str, Path]) -> list[tuple[EvaluationRow, RunResult]]:
    """Returns a row and its curves for each file of predictions, in order.

    They are evaluated on the images of the table's first evaluation, with the metrics that it has.

    Args:
        run: that has the table.
        node: the table.
        files: name -> predictions of any form of `predictions.forms`.

    Raises ValueError: predictions are malformed or of other images; the message names the file.
    """
    if not files:
        return []
    first = run.lines(node)[0]
    assert first.ap is not None
    truth, _, _ = evaluated_images(run.samples_of(first.ap.node), first.detections, "left_out")
    asked = {name: first.ap.params.get(name) for name in METRICS}
    found = []
    for name, file in files.items():
        result = read_inputs(file, LabelledImages(truth)).evaluate(asked)
        hard = {"faces": result.counts["hard"].faces, **ap_values(result.metrics, "hard")}
        row = EvaluationRow(name, result.ap, figures_of(hard))
        found.append((row, RunResult(name, name, "", result.protocol, result.ap, result.counts, "as published")))
    return found
