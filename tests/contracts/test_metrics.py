"""Every metric of the table obeys the contract of `CountedMetric`; so does one that is not in it."""

from __future__ import annotations

import json
from functools import reduce
from operator import add
from typing import Any

import pytest

from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.counted_metric import CountedMetric
from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.result_schemas import AP, COMPARISON
from stages.evaluate import Evaluate
from tests.contracts.new_metric import ENTRY, NAME
from tests.evaluation.small_sets import LEVELS, small_set

SETTINGS: dict[str, tuple[Any, Any]] = {"false_alarms": (0.5, 0.25), NAME: (3, 4)}  # two that differ


@pytest.fixture(params=sorted({*METRICS, NAME}))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kind(name: str) -> type[CountedMetric]:
    return {**METRICS, NAME: ENTRY}[name].kind


def test_every_metric_has_settings_to_test() -> None:
    assert set(SETTINGS) == {*METRICS, NAME}


def test_its_name_is_a_parameter_an_option_and_a_column_of_its_own(name: str, kind: type[CountedMetric]) -> None:
    assert name.isidentifier() and name == name.lower() and {**METRICS, NAME: ENTRY}[name].help.endswith(".")
    for columns in (kind.ap_columns, kind.table_columns):
        assert columns and all(column.nullable for column in columns)
    if name in METRICS:
        assert Evaluate.model_fields[name].default is None


def test_no_two_columns_have_one_name() -> None:
    for schema in (AP, COMPARISON):
        assert len(set(schema.names)) == len(schema.names)


def test_counts_of_any_parts_add_up_to_those_of_the_whole(name: str, kind: type[CountedMetric]) -> None:
    data, (setting, other) = small_set(3), SETTINGS[name]
    whole, nothing = data.truth.image_ids, data.truth.restrict([])
    total = kind.count(data.predictions, data.truth, setting)
    for cut in (1, 2, 5):
        parts = [data.truth.restrict(each) for each in (whole[:cut], [], whole[cut:])]
        assert reduce(add, [kind.count(data.predictions, part, setting) for part in parts]) == total
    assert kind.count(PredictionSet.of([]), nothing, setting) + total == total
    assert kind.count(PredictionSet.of([]), data.truth, setting) != total
    with pytest.raises(ValueError, match="do not add up"):
        total + kind.count(data.predictions, data.truth, other)


def test_values_have_the_columns_that_it_names(name: str, kind: type[CountedMetric]) -> None:
    data = small_set(3)
    counted = kind.count(data.predictions, data.truth, SETTINGS[name][0])
    json.dumps(counted.to_json(), allow_nan=False)
    for level in LEVELS:
        row = counted.row(level)
        assert list(row) == [column.name for column in kind.ap_columns]
        assert "\n" not in counted.line(level, 3)
    figures = kind.figures({"faces": sum(map(sum, data.truth.counts["hard"])), **row})
    assert list(figures) == [column.name for column in kind.table_columns]
    assert len(kind.texts(figures)) == len(kind.titles)
    assert kind.at(figures) == f" at {SETTINGS[name][0]:g}"


def test_a_set_without_any_face_has_figures(name: str, kind: type[CountedMetric]) -> None:
    data = small_set(3)
    empty = data.truth.restrict(data.truth.image_ids[1:2])
    row = kind.count(data.predictions, empty, SETTINGS[name][0]).row("hard")
    figures = {key: value for key, value in kind.figures({"faces": 0, **row}).items() if value is not None}
    assert len(kind.texts(figures)) == len(kind.titles)
