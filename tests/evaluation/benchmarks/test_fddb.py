from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
from pipeline.evaluation.benchmarks.fddb import Fddb
from pipeline.evaluation.fddb_roc import FddbCounts
from tests.data.datasets.fddb.folds import write_folds as write_three
from tests.evaluation.benchmarks.nine_images import guesses, write_folds

OPTIONS = BenchmarkOptions()


def test_sizes_of_images_are_its_borders(tmp_path: Path) -> None:
    part = Fddb.read(write_folds(tmp_path), OPTIONS)
    before = part.count(guesses())
    part = part.measured({"4.jpg": (60, 60)})
    assert before != part.count(guesses())
    assert part.entries() == {"borders": "of 1 photographs, of the others 0 and 450"}


def test_images_keep_their_numbers_and_are_not_checked_against_boxes(tmp_path: Path) -> None:
    whole = Fddb.read(write_three(tmp_path), OPTIONS)
    assert (whole.form, whole.remarks, whole.rounds) == ("FDDB folds", (), 0)
    assert whole.wanted.image_ids == whole.labels.image_ids and whole.wanted.faces is None
    last = whole.labels.image_ids[-1]
    assert whole.restrict([last]).numbers == {last: 2}


def test_rates_of_fddb_are_printed_at_round_numbers_and_at_the_end() -> None:
    scores = np.linspace(1, 0, 151)
    hits = (np.arange(151) % 2 == 0).astype(np.int64)
    counts = FddbCounts(9, 100, scores, np.ones(151, np.int64), hits, hits * 0.75)
    result = Fddb.result(counts, OPTIONS, {"borders": "none"})
    assert result.lines == [
        "FDDB: 100 faces in 9 images, 151 detections",
        "false positives  discrete  continuous",
        "             75     76.00       57.00",
    ]
    assert result.content["protocol"] == {"benchmark": "FDDB", "overlap": 0.5, "borders": "none"}
    more = FddbCounts(
        9, 1000, np.linspace(1, 0, 301), np.ones(301, np.int64), np.tile([1, 0, 0], 101)[:301], np.zeros(301)
    )
    assert [line.split()[0] for line in Fddb.result(more, OPTIONS, {}).lines[2:]] == ["100", "200"]


def test_fddb_without_a_detection_has_a_line() -> None:
    none = FddbCounts(2, 3, np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    result = Fddb.result(none, OPTIONS, {})
    assert result.lines[-1].split() == ["0", "0.00", "0.00"]
    assert json.loads(result.to_json())["discrete"] == []


def test_rates_are_compared_at_the_last_point_with_at_most_so_many_false_positives() -> None:
    curve = [[0, 0.1, 0.9], [1000, 0.4, 0.5], [1000, 0.5, 0.4], [1001, 0.6, 0.3]]
    assert Fddb.headline({"discrete": curve, "continuous": curve[3:]}) == {"discrete": 0.5, "continuous": 0}
    _, (table,) = Fddb.shown({"discrete": curve, "continuous": curve}, "mine")
    assert [row[:2] for row in table.rows][-2:] == [["1,000", "50.00"], ["1,001", "60.00"]]
