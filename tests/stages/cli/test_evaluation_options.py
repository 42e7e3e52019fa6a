from __future__ import annotations

from pathlib import Path

import pytest

from stages.cli.evaluation_options import chosen_reading


def test_what_a_benchmark_needs_is_named(wider8k, tmp_path: Path) -> None:
    for options, words in (
        (("--benchmark", "voc"), "--benchmark voc: expected wider, fddb, pascal, afw, coco, single"),
        (("--benchmark", "fddb"), "--benchmark fddb needs --labels, found none"),
        (
            ("--benchmark", "afw", "--images", "a.txt", "--nms", "0.4"),
            "--images, --nms: expected with --benchmark wider only, found afw",
        ),
        (
            ("--benchmark", "afw", "--score", "0.1"),
            "--score: expected with --benchmark wider or single only, found afw",
        ),
        (
            ("--benchmark", "fddb", "--reading", "python", "--unreadable", "left_out"),
            "--reading, --unreadable: expected with --benchmark wider only, found fddb",
        ),
        (("--ground-truth", tmp_path, "--labels", tmp_path), "expected one of them, found both"),
        (
            ("--ground-truth", tmp_path, "--resamples", "1000", "--seed", "3"),
            "--resamples, --seed: expected with --details only, found no --details",
        ),
        (("--benchmark", "coco", "--seed", "0"), "--seed: expected with --details only, found no --details"),
        (
            ("--benchmark", "fddb", "--category", "face"),
            "--category: expected with --benchmark wider or pascal or afw or coco or single only, found fddb",
        ),
        (("--ground-truth", tmp_path, "--category", "face"), "--category: expected with --labels of your own only"),
        (("--labels", tmp_path / "a.csv", "--details"), "--details: expected with the official .mat files only"),
        (("--labels", tmp_path / "gone.csv"), "no labels at"),
        (("--benchmark", "afw", "--labels", tmp_path / "gone.csv"), "no labels at"),
        ((), "Missing option '--ground-truth' or '--labels'"),
    ):
        answer = wider8k("evaluate", tmp_path / "rows.txt", *options)
        assert (answer.code, answer.out) == (2, "")
        assert words in answer.err


def test_a_word_that_is_no_choice_is_named() -> None:
    assert chosen_reading("python", 0.4, 0.02, "left_out") == ("python", 0.4, 0.02, "left_out")
    with pytest.raises(ValueError, match="--reading octave: expected matlab or python"):
        chosen_reading("octave", None, None, "missed")
    with pytest.raises(ValueError, match="--unreadable skip: expected left_out or missed"):
        chosen_reading("matlab", None, None, "skip")
