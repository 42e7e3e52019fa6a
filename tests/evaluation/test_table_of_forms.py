"""The table of forms: every form of labels against every form of predictions gives the same AP to the last digit.

Six photographs whose sides are powers of two, faces and boxes at whole pixels: every form holds them without rounding.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import pipeline
from pipeline.data.datasets.labels.conversion import convert_labels
from pipeline.data.datasets.labels.forms import FORMS as LABELS
from pipeline.data.datasets.labels.forms import LABELLED
from pipeline.data.datasets.labels.found_labels import find_labels
from pipeline.data.predictions.conversion import convert_predictions
from pipeline.data.predictions.forms import FORMS as PREDICTIONS
from pipeline.data.predictions.forms import recognise
from pipeline.evaluation.evaluate_benchmark import evaluate_benchmark
from pipeline.evaluation.evaluate_files import read_inputs, read_labels
from tests.evaluation.six_photographs import rows_of, write_photographs

LABEL_FORMS = [name for name in LABELS if name != "face_eval_mat"]  # whose images are only named in MATLAB's
WRITTEN = {  # what a user may have -> its form and how it is written
    "wider_text": ("wider_text", "found"),
    "wider_text.tar.gz": ("wider_text", "found.tar.gz"),
    "wider_text.zip": ("wider_text", "found.zip"),
    "wider_text.txt": ("wider_text", "found.txt"),
    "wider_text_flat": ("wider_text", "found"),
    "coco_results": ("coco_results", "found.json"),
    "yolo": ("yolo", "found"),
    "csv": ("csv", "found.csv"),
    "fddb": ("fddb", "fold-01-out.txt"),
    "rows": ("rows", "found.txt"),
    "detect_json": ("detect_json", "found.json"),
    "dump": ("dump", "found"),
    "dump.parquet": ("dump", "found"),
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn photographs, their faces in `set/labels.csv`, and boxes with scores in `found.csv`."""
    return write_photographs(tmp_path_factory.mktemp("forms"))


@pytest.fixture(scope="module")
def labels(photographs: Path) -> dict[str, Path]:
    """Form -> the labels in it, beside links to the photographs."""
    found = find_labels(photographs / "set")
    return {name: convert_labels(found, name, photographs / "labels" / name).labels for name in LABEL_FORMS}


@pytest.fixture(scope="module")
def predictions(photographs: Path, labels: dict[str, Path]) -> dict[str, Path]:
    """Way of writing them -> the predictions."""
    paths = {}
    for name, (form, out) in WRITTEN.items():
        paths[name] = photographs / name / out
        paths[name].parent.mkdir()
        convert_predictions(photographs / "found.csv", form, paths[name], labels["csv"])
    flat = paths["wider_text_flat"]
    for file in list(flat.rglob("*.txt")):
        shutil.move(file, flat / file.name)
    paths["fddb"] = paths["fddb"].parent
    paths["dump.parquet"] = next(paths["dump.parquet"].glob("*.parquet"))
    return paths


@pytest.fixture(scope="module")
def expected(photographs: Path) -> dict[str, float]:
    """Rule -> AP of the boxes as arrays, which no reader has touched."""
    labels, boxes = rows_of(photographs / "set/labels.csv"), rows_of(photographs / "found.csv")
    found = {rule: pipeline.evaluate(boxes, labels, protocol=rule).ap for rule in ("wider", "voc", "coco")}
    return {"wider": found["wider"]["all"], "pascal": found["voc"]["all"], "coco": found["coco"]["ap50"]}


def test_the_table_has_every_form() -> None:
    assert set(LABEL_FORMS) == set(LABELLED)
    assert {form for form, _ in WRITTEN.values()} == set(PREDICTIONS)


def test_the_figures_mean_something(expected: dict[str, float]) -> None:
    assert all(0.3 < value < 0.95 for value in expected.values())
    assert expected["coco"] != expected["wider"]


@pytest.mark.parametrize("form", LABEL_FORMS)
@pytest.mark.parametrize("written", WRITTEN)
def test_every_cell_has_the_same_ap(
    labels: dict[str, Path], predictions: dict[str, Path], expected: dict[str, float], form: str, written: str
) -> None:
    source, truth = predictions[written], read_labels(labels[form])
    result = read_inputs(source, truth).evaluate()
    assert result.ap["all"] == expected["wider"]
    assert truth.own is not None and truth.own.form == LABELS[form].words
    assert recognise(source)[0] == WRITTEN[written][0]
    assert result.problems == {}


@pytest.mark.parametrize(
    ("form", "written"), [*((each, "csv") for each in LABEL_FORMS), *(("csv", each) for each in WRITTEN)]
)
def test_other_rules_give_the_same_ap_too(
    labels: dict[str, Path], predictions: dict[str, Path], expected: dict[str, float], form: str, written: str
) -> None:
    pascal, coco = (evaluate_benchmark(rule, predictions[written], labels[form]).content for rule in ("pascal", "coco"))
    assert (pascal["ap"], coco["ap50"]) == (expected["pascal"], expected["coco"])


def test_coco_results_with_the_numbers_of_coco_labels(
    photographs: Path, labels: dict[str, Path], expected: dict[str, float], tmp_path: Path
) -> None:
    convert_predictions(photographs / "found.csv", "coco_results", tmp_path / "found.json", labels["coco_json"])
    assert {entry["image_id"] for entry in json.loads((tmp_path / "found.json").read_text())} == set(range(1, 7))
    result = read_inputs(tmp_path / "found.json", read_labels(labels["coco_json"])).evaluate()
    assert (result.ap["all"], result.problems) == (expected["wider"], {})
