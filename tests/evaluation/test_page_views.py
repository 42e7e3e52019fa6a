from __future__ import annotations

from dataclasses import replace

from pipeline.evaluation.page_views import ap_rows, score_plots, tiles, trade_offs, training_plots
from tests.evaluation.page_data import run_of


def test_a_run_without_an_ap_neither_leads_nor_keeps_another_from_it() -> None:
    runs = [run_of("first", 0.5), run_of("second", 0.75), run_of("third", float("nan"))]
    rows = ap_rows(runs, ["medium", "hard"])
    assert [[cell["leads"] for cell in row["cells"]] for row in rows] == [[False, False], [False, True], [False, False]]


def test_an_oracle_is_last_and_leads_no_column() -> None:
    runs = [replace(run_of("best", 0.99), ceiling=True), run_of("first", 0.5), run_of("second", 0.75)]
    rows = ap_rows(runs, ["hard"])
    assert [row["run"].name for row in rows] == ["first", "second", "best"]
    assert [row["cells"][0]["leads"] for row in rows] == [False, True, False]
    assert tiles(runs, ["hard"]) == [{"subset": "hard", "text": "75.00", "name": "second", "limit": "99.00"}]


def test_a_page_of_oracles_alone_has_no_result() -> None:
    assert tiles([replace(run_of("best", 0.99), ceiling=True)], ["hard"]) == []
    assert tiles([], []) == []


def test_runs_without_a_time_are_not_in_the_trade_off() -> None:
    timed = [replace(run_of(f"run {ms}", 0.5 + ms / 1000), image_ms=ms) for ms in (50.0, 100.0)]
    oracle = replace(run_of("best", 0.9), image_ms=10.0, ceiling=True)
    (found,) = trade_offs([run_of("untimed", 0.9), *timed, oracle], ["hard"])
    assert found["names"] == "run 50.0, run 100.0"
    assert (
        'data-run="1"' in found["plot"] and 'data-run="0"' not in found["plot"] and 'data-run="3"' not in found["plot"]
    )
    assert trade_offs(timed[:1], ["hard"]) == []


def test_scores_of_oracles_are_not_shown() -> None:
    runs = [run_of("first", 0.5), replace(run_of("best", 0.9), ceiling=True)]
    assert [name for name, _ in score_plots(runs, "hard")] == ["first"]


def test_every_number_of_a_training_has_a_line_for_each_training() -> None:
    plots = dict(training_plots({"a": [1.0, 2.0], "none": [], "b": [3.0]}, {"rate": {"b": [(1, 0.1), (2, 0.2)]}}))
    assert list(plots) == ["Loss", "rate"]
    assert plots["rate"].count('class="line"') == 2
    assert training_plots({"none": []}, {}) == []


def test_a_time_has_no_decimals_from_a_second_on() -> None:
    (row,) = ap_rows([replace(run_of("slow", 0.5), ms=(14492.44, 85.04))], ["hard"])
    assert row["ms"] == ["14,492", "85.0"]
