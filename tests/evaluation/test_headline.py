from __future__ import annotations

from dataclasses import replace

from pipeline.evaluation.headline import best_run, ceiling, sentence
from tests.evaluation.page_data import run_of

SUBSETS = ["easy", "hard"]
ORACLE = replace(run_of("oracle", 0.97), ceiling=True)


def test_the_best_run_is_no_oracle() -> None:
    runs = [run_of("first", 0.5), ORACLE, run_of("second", 0.75), run_of("unknown", float("nan"))]
    best, limit = best_run(runs, "hard"), ceiling(runs, "hard")
    assert best is not None and best.name == "second"
    assert limit is not None and limit.name == "oracle"
    assert sentence(runs, SUBSETS) == (
        "second reaches an AP of 98.77 / 75.00 (easy / hard), 25.00 points more than first on hard. "
        "The oracle oracle, no result but the limit of its boxes, is at 97.00 on hard."
    )


def test_two_equal_runs_are_level() -> None:
    text = sentence([run_of("first", 0.50001), run_of("second", 0.5)], SUBSETS)
    assert text == "first reaches an AP of 98.77 / 50.00 (easy / hard), level with second on hard."


def test_another_seed_is_no_rival() -> None:
    single, seeds = (
        run_of("single", 0.5),
        [replace(run_of(f"rank_{n}", 0.7 + n / 100), way="re-ranked") for n in (1, 2)],
    )
    text = sentence([single, *seeds], SUBSETS)
    assert text == "rank_2 reaches an AP of 98.77 / 72.00 (easy / hard), 22.00 points more than single on hard."


def test_one_run_alone_with_its_time() -> None:
    assert sentence([replace(run_of("only", 0.5), image_ms=1234.4)], SUBSETS) == (
        "only reaches an AP of 98.77 / 50.00 (easy / hard) in 1,234 ms an image."
    )


def test_without_a_result_there_is_nothing_to_say() -> None:
    assert sentence([], []) == sentence([ORACLE], SUBSETS) == sentence([run_of("no", float("nan"))], SUBSETS) == ""
