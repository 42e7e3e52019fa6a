from __future__ import annotations

import pytest

from pipeline.evaluation.false_alarms import FalseAlarms
from pipeline.evaluation.metrics import METRICS, add_counted, ap_values, count_metrics, figures_of, texts_of
from tests.evaluation.small_sets import small_set

COUNTED = {"false_alarms": FalseAlarms(0.5, 7, {"easy": 1, "medium": 2, "hard": 3})}
NULLS = {"alarm_score": None, "alarms": None, "found": None}


def test_what_is_asked_for_is_counted() -> None:
    data = small_set(0)
    assert count_metrics({"false_alarms": None}, data.predictions, data.truth) == {}
    counted = count_metrics({"false_alarms": 0.0}, data.predictions, data.truth)
    assert counted == {"false_alarms": FalseAlarms.count(data.predictions, data.truth, 0.0)}


def test_an_unknown_metric_is_answered_with_the_known_ones() -> None:
    data = small_set(0)
    with pytest.raises(ValueError, match="no metric is called 'false_alarm'.*did you mean 'false_alarms'"):
        count_metrics({"false_alarm": 0.5}, data.predictions, data.truth)


def test_parts_add_up() -> None:
    assert add_counted([]) == add_counted([{}, {}]) == {}
    assert add_counted([COUNTED]) == COUNTED
    assert add_counted([COUNTED] * 3) == {"false_alarms": FalseAlarms(0.5, 21, {"easy": 3, "medium": 6, "hard": 9})}


def test_a_row_has_every_column_and_a_table_only_what_was_counted() -> None:
    assert ap_values({}, "hard") == NULLS
    row = ap_values(COUNTED, "hard")
    assert row == {"alarm_score": 0.5, "alarms": 7, "found": 3}
    assert figures_of({"faces": 4, **NULLS}) == {}
    figures = figures_of({"faces": 4, **row})
    assert figures == {"alarm_score": 0.5, "alarms": 7, "recall": 0.75}
    assert figures_of({"faces": 0, **row, "found": 0}) == {"alarm_score": 0.5, "alarms": 7}
    metric = METRICS["false_alarms"].kind
    assert texts_of(metric, {}) == {}
    assert texts_of(metric, figures) == {"false alarms": "7", "hard recall": "75.00"}
    assert texts_of(metric, {"alarm_score": 0.5, "alarms": 7}) == {"false alarms": "7", "hard recall": "–"}
