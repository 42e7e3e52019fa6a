"""The columns of evaluations, which are in every store: a metric adds its own and changes no other."""

from __future__ import annotations

from pipeline.evaluation.result_schemas import AP, COMPARISON


def test_the_columns_of_an_evaluation() -> None:
    counts = ["faces", "images", "boxes", "proposals", "matches"]
    alarms = ["alarm_score", "alarms", "found"]
    assert AP.names == ["subset", "ap", *counts, "score_min", "score_max", "protocol", *alarms]
    assert [column.name for column in AP if column.nullable] == alarms


def test_the_columns_of_a_comparison() -> None:
    alarms = ["alarm_score", "alarms", "recall"]
    paper = ["paper_easy", "paper_medium", "paper_hard", "paper_alarms"]
    more = ["facts", "detect_ms", "refine_ms", "left_out"]
    assert COMPARISON.names == ["name", "easy", "medium", "hard", *alarms, *paper, *more]
    assert [column.name for column in COMPARISON if column.nullable] == [*alarms, *paper, *more[1:]]
