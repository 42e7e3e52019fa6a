from __future__ import annotations

import math
from dataclasses import replace

import pyarrow as pa

from pipeline.evaluation.evaluation_table import EvaluationRow, markdown
from pipeline.evaluation.result_schemas import COMPARISON

PLAIN = EvaluationRow("plain", {"easy": 0.94604, "medium": 0.934, "hard": 0.865}, facts={"train.recipe.steps": 100})
FULL = EvaluationRow(
    name="a|b",
    ap={"easy": 1.0, "medium": math.nan, "hard": 0.5},
    metrics={"alarm_score": 0.5, "alarms": 192, "recall": 0.75},
    paper_ap={"easy": 0.951, "hard": 0.874},
    paper_alarms=192,
    facts={"train.recipe.steps": 100, "train.content_hash": "00ff"},
)


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").replace("\\|", "/").split("|")] for line in text.splitlines()]


def test_a_row_survives_arrow_and_back() -> None:
    table = pa.Table.from_pylist([PLAIN.to_row(), FULL.to_row()], schema=COMPARISON)
    table.validate(full=True)
    plain, full = (EvaluationRow.from_row(row) for row in table.to_pylist())
    assert plain == PLAIN
    assert math.isnan(full.ap["medium"])
    level = {**FULL.ap, "medium": 0.0}
    assert replace(full, ap={**full.ap, "medium": 0.0}) == replace(FULL, ap=level)


def test_the_whole_text_of_a_plain_table() -> None:
    assert markdown([PLAIN]) == (
        "|       |  easy | medium |  hard |\n|-------|------:|-------:|------:|\n| plain | 94.60 |  93.40 | 86.50 |\n"
    )


def test_absent_figures_are_dashes_and_empty_columns_are_not_there() -> None:
    head, _, plain, full = cells(markdown([PLAIN, FULL]))
    assert head == ["", "easy", "medium", "hard", "false alarms at 0.5", "hard recall at 0.5",
                    "paper easy", "paper hard", "paper NFA"]  # fmt: skip
    assert plain == ["plain", "94.60", "93.40", "86.50", *["–"] * 5]
    assert full == ["a/b", "100.00", "–", "50.00", "192", "75.00", "95.1", "87.4", "192"]


def test_alarms_at_different_scores_say_so() -> None:
    head, _, *rows = cells(markdown([FULL, replace(FULL, metrics={**FULL.metrics, "alarm_score": 0.25}), PLAIN]))
    assert head[4:6] == ["false alarms", "hard recall"]
    assert [row[4:6] for row in rows] == [["192 at 0.5", "75.00 at 0.5"], ["192 at 0.25", "75.00 at 0.25"], ["–", "–"]]


def test_only_what_differs_is_shown_under_its_shortest_name() -> None:
    first = {"train.recipe.steps": 100, "train.recipe.assigner": "atss", "predict.top": 5, "train.content_hash": "a"}
    second = {
        "train.recipe.steps": 100,
        "train.recipe.assigner": None,
        "predict.top": [5] * 20,
        "train.content_hash": "b",
    }
    third = {**first, "suppress.top": 7}
    head, _, *rows = cells(markdown([replace(PLAIN, facts=facts) for facts in (first, second, third)]))
    assert head[4:] == ["assigner", "predict.top", "suppress.top"]
    assert [row[4] for row in rows] == ["atss", "–", "atss"]
    assert [row[6] for row in rows] == ["–", "–", "7"]
    assert rows[1][5].startswith("[5, 5, ")
    assert rows[1][5].endswith("…")
    assert len(rows[1][5]) == 28


def test_times_have_columns_where_there_are_any() -> None:
    head, _, plain, full = cells(markdown([replace(PLAIN, detect_ms=45.04), replace(FULL, refine_ms=550.0)]))
    assert head[6:8] == ["detect ms", "refine ms"]
    assert (plain[6:8], full[6:8]) == (["45.0", "–"], ["–", "550.0"])
    assert " ms " not in markdown([PLAIN, FULL])


def test_times_are_read_back() -> None:
    timed = replace(PLAIN, detect_ms=1.5, refine_ms=2.0)
    assert EvaluationRow.from_row(timed.to_row()) == timed
