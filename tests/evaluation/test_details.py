from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation.details import details_of
from pipeline.evaluation.evaluate_files import read_inputs
from pipeline.evaluation.wider_ap import average_precision
from tests.evaluation.small_sets import LEVELS, small_set


def test_everything_is_there_as_json_and_as_tables() -> None:
    data = small_set(1)
    matches = data.matches
    details = details_of(matches, data.truth.image_ids, {}, resamples=60, seed=2)
    plain = json.loads(json.dumps(details.to_json(), allow_nan=False))
    assert list(plain) == ["intervals", "errors", "recall", "oracle", "breakdown"]
    assert (plain["intervals"]["resamples"], plain["intervals"]["seed"]) == (60, 2)
    for level in LEVELS:
        ap = average_precision(matches.ap_counts(matches.counts[level]))
        assert plain["intervals"][level]["value"] == ap
        assert plain["intervals"][level]["low"] <= ap <= plain["intervals"][level]["high"]
        assert plain["oracle"][level] >= ap
    tables = details.tables()
    assert [table.title.split(",")[0] for table in tables] == [
        "AP", "Errors at any score", "Recall at any score", "AP of hard by height", "AP of hard by event"
    ]  # fmt: skip
    assert all(len(table.rows) == 3 for table in tables[:3])
    assert all("–" not in row for table in tables[3:] for row in table.rows)  # groups without a face are left out


def test_a_set_without_detections_has_details() -> None:
    data = small_set(2)
    nothing = type(data.predictions)(data.truth.image_ids, np.zeros(9, np.int64), np.zeros((0, 4)), np.zeros(0))
    details = details_of(type(data)(data.truth, nothing).matches, data.truth.image_ids, {}, resamples=20)
    assert all(ap == 0 for ap in details.oracle.values())
    assert details.recall["hard"].without_box == details.recall["hard"].faces
    assert details.errors["hard"].errors["missed"] == details.recall["hard"].faces
    json.dumps(details.to_json(), allow_nan=False)
    assert [len(table.text()) > 0 for table in details.tables()]


@pytest.mark.wider
def test_a_published_set_agrees_with_its_own_counts(shared: Path) -> None:
    inputs = read_inputs(shared / "data/predictions/yolov7_face.tar.gz", shared / "data/wider_val_gt")
    matches = inputs.matches()
    details = details_of(matches, inputs.truth.image_ids, {}, resamples=20)
    expected = json.loads((shared / "reference/wider_eval/expected.json").read_text())["oracle_on_published_sets"]
    ceiling = expected["yolov7_face"]["recall_iou0.5"]
    for level, recall in details.recall.items():
        assert 1 - recall.missed / recall.faces == pytest.approx(ceiling[level], abs=1e-9)
        assert recall.without_box <= recall.missed
        assert recall.found[-1, 0] == recall.faces - recall.missed
        errors = details.errors[level]
        wrong = sum(errors.errors[kind] for kind in ("localisation", "duplicate", "background"))
        assert wrong == errors.present.proposals[-1] - errors.present.matches[-1]
    for part in ("height", "event"):
        faces = [counts.faces for counts in details.breakdown.parts[part].values()]
        assert sum(faces) == 31958
    assert len(details.breakdown.parts["event"]) == 61
