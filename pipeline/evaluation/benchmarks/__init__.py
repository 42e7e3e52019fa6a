"""The benchmarks besides WIDER FACE by name: an explicit table. A new one is a file here and a line in `BENCHMARKS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pipeline.engine.registry import Registry
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkSet
from pipeline.evaluation.benchmarks.coco import CocoSet
from pipeline.evaluation.benchmarks.fddb import Fddb
from pipeline.evaluation.benchmarks.single_face import SingleFace
from pipeline.evaluation.benchmarks.voc import Afw, PascalFace

BENCHMARKS: Registry[type[BenchmarkSet[Any]]] = Registry(
    "benchmark",
    {
        "fddb": Fddb,
        "pascal": PascalFace,
        "afw": Afw,
        "coco": CocoSet,
        "single": SingleFace,
    },
)
TITLES = Registry("benchmark", {kind.title: kind for kind in BENCHMARKS.values()})
"""The same by the entry ``benchmark`` of a result's protocol."""

if TYPE_CHECKING:
    BenchmarkName: TypeAlias = str
else:
    BenchmarkName = Literal[tuple(BENCHMARKS)]
