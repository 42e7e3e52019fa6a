from __future__ import annotations

from dataclasses import fields
from inspect import signature

from pipeline.evaluation.benchmark_fields import USED_BY, unused
from pipeline.evaluation.benchmarks import BENCHMARKS
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
from stages.benchmark import Benchmark
from stages.cli.evaluate import evaluate


def test_options_of_other_benchmarks_are_returned_with_those_that_use_them() -> None:
    assert unused("afw", ["protocol", "seed"]) is None
    assert unused("fddb", ["nms", "category", "images"]) == (["nms", "images"], ("wider",))
    assert unused("wider", ["min_face", "nms", "protocol"]) == (["min_face", "protocol"], ("pascal", "afw"))


def test_the_list_names_benchmarks_and_options_that_exist() -> None:
    assert {each for users in USED_BY.values() for each in users} <= {"wider", *BENCHMARKS}
    assert set(USED_BY) <= set(signature(evaluate).parameters)
    # What may be chosen about a benchmark is in the list, and in the stage; the predictions of a run are never given.
    chosen = {each.name for each in fields(BenchmarkOptions)} - {"given"}
    assert chosen <= set(USED_BY) & set(Benchmark.model_fields)
