from __future__ import annotations

import inspect
import json
from dataclasses import fields
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.benchmark_page import benchmark_page
from pipeline.evaluation.benchmark_tables import joined_figures, joined_tables
from pipeline.evaluation.benchmarks import BENCHMARKS, TITLES
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions, BenchmarkResult, BenchmarkSet
from pipeline.evaluation.benchmarks.coco import CocoSet
from pipeline.evaluation.box_refinement import Fit
from pipeline.evaluation.evaluate_benchmark import evaluate_benchmark
from tests.evaluation.benchmarks.nine_images import IMAGES, guesses, write_csv, write_folds


@pytest.mark.parametrize(
    ("benchmark", "options"),
    [
        ("fddb", BenchmarkOptions()),
        ("pascal", BenchmarkOptions()),
        ("afw", BenchmarkOptions("face-eval")),
        ("coco", BenchmarkOptions(max_detections=3)),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_parts_add_up_to_the_whole_in_any_order(
    benchmark: str, options: BenchmarkOptions, size: int, tmp_path: Path
) -> None:
    whole, found = (
        BENCHMARKS[benchmark].read((write_folds if benchmark == "fddb" else write_csv)(tmp_path), options),
        guesses(),
    )
    names = list(np.random.default_rng(size).permutation(list(whole.numbers)))
    parts = [whole.restrict(names[start : start + size]) for start in range(0, IMAGES, size)]
    fits: list[Fit] = []
    expected_fits: list[Fit] = []
    for _ in range(whole.rounds):
        fits.append(reduce(add, [part.fit(found.select(list(part.numbers)), fits) for part in parts]))
        expected_fits.append(whole.fit(found, expected_fits))
        assert np.array_equal(fits[-1].apply(found.boxes), expected_fits[-1].apply(found.boxes))
    counts = reduce(add, [part.count(found.select(list(part.numbers)), fits) for part in parts])
    expected = whole.result(whole.count(found, expected_fits), options, {})
    assert whole.result(counts, options, {}).to_json() == expected.to_json()


@pytest.mark.parametrize("kind", BENCHMARKS.values(), ids=list(BENCHMARKS))
def test_an_entry_is_whole_and_uses_options_that_exist(kind: type[BenchmarkSet[Any]]) -> None:
    assert not inspect.isabstract(kind)
    assert TITLES[kind.title] is kind and kind.note.endswith(".")
    assert set(kind.uses) <= {each.name for each in fields(BenchmarkOptions)} - {"given"}


def test_a_result_is_json_with_its_problems() -> None:
    result = BenchmarkResult(["a line"], {"ap": None, "name": "é"}, {"extra": ["z"]})
    assert result.to_json() == '{"ap": null, "name": "é", "problems": {"extra": ["z"]}}\n'
    assert json.loads(BenchmarkResult([], {}).to_json()) == {"problems": {}}
    with pytest.raises(ValueError, match="not JSON compliant"):
        BenchmarkResult([], {"ap": np.nan}).to_json()


def test_a_new_benchmark_is_a_class_and_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(CocoSet):
        title = "Mine"

    monkeypatch.setitem(BENCHMARKS, "mine", Mine)
    monkeypatch.setitem(TITLES, Mine.title, Mine)
    labels = write_csv(tmp_path)
    (tmp_path / "rows.txt").write_text("2.jpg 0.5 10 10 90 90\n")
    result = evaluate_benchmark("mine", tmp_path / "rows.txt", labels)
    assert "rows on Mine" in benchmark_page(result, "rows")
    ((table,), figures) = joined_tables({"rows": result.content}), joined_figures({"rows": result.content})
    assert (table.title, len(table.rows), len(figures)) == ("Mine", 1, 3)
    assert figures[0].title.startswith("Mine: ")
