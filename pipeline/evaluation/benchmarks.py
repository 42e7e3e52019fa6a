"""The benchmarks besides WIDER FACE: FDDB, AFW, PASCAL Face, any COCO set, single faces; from files to figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipeline.data.datasets.fddb.annotation import LONGEST, FddbLabels, read_fddb
from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.data.datasets.labels.reader import LabelFile, read_box_labels
from pipeline.data.predictions.matching import PLAIN, GivenPredictions
from pipeline.evaluation.benchmark_inputs import BenchmarkDetections, WantedImages, read_detections
from pipeline.evaluation.benchmark_results import BenchmarkName, BenchmarkResult, coco_result, fddb_result, voc_result
from pipeline.evaluation.box_refinement import refined
from pipeline.evaluation.coco_ap import MAX_DETECTIONS, count_coco
from pipeline.evaluation.fddb_roc import count_ellipses
from pipeline.evaluation.single_face import SCORE, require_single, single_result
from pipeline.evaluation.voc_ap import FACE_EVAL, VOC, VocProtocol, count_boxes

PROTOCOLS: Final = {"voc": VOC, "face-eval": FACE_EVAL}


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """What may be chosen about a benchmark.

    Attributes:
        protocol: "voc" or "face-eval", of PASCAL Face and AFW (see `voc_ap`).
        min_face: pixels; faces with a smaller side are ignored; None as in the protocol.
        category: name of the objects that are faces, where labels have several.
        max_detections: the best so many of an image, of COCO.
        given: what is known about the predictions.
        score: from which on a detection counts, of single faces; None for `single_face.SCORE`.
    """

    protocol: str = "voc"
    min_face: float | None = None
    category: str | None = None
    max_detections: int = MAX_DETECTIONS
    given: GivenPredictions = PLAIN
    score: float | None = None

    @property
    def counted_score(self) -> float:
        """The score from which on a detection of a single face counts."""
        return SCORE if self.score is None else self.score

    def voc(self) -> VocProtocol:
        """Returns the protocol of PASCAL Face and AFW; raises ValueError where it is none."""
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"--protocol {self.protocol}: expected {' or '.join(PROTOCOLS)}")
        found = PROTOCOLS[self.protocol]
        return found if self.min_face is None else replace(found, min_face=self.min_face)


def evaluate_benchmark(
    benchmark: BenchmarkName, predictions: Path, labels: Path, options: BenchmarkOptions | None = None
) -> BenchmarkResult:
    """Returns the figures of detections on a benchmark.

    Args:
        benchmark: one of `BENCHMARKS`.
        predictions: of one of `predictions.forms.FORMS`.
        labels: the folder of FDDB's folds; for the others see `labels.reader`.
        options: what may be chosen; those of other benchmarks are not used.

    Raises FileNotFoundError, ValueError: something is missing or malformed; one line that names file, place, expected
    and found.
    """
    chosen = options or BenchmarkOptions()
    if benchmark == "fddb":
        return _fddb(predictions, labels, chosen.given)
    file = read_counted_labels(labels, chosen.category)
    if benchmark == "single":
        require_single(file.labels, labels)
    wanted = WantedImages.of(file)
    found = read_detections(predictions, wanted, chosen.given)
    if benchmark == "coco":
        return _coco(found, file, chosen)
    return _voc(benchmark, found, file, chosen)


def read_counted_labels(path: Path, category: str | None = None, sizes: Sizes | None = None) -> LabelFile:
    """Returns the labels of AFW, PASCAL Face or a COCO set, as `read_box_labels`; refuses those without a face."""
    file = read_box_labels(path, category, sizes=sizes)
    if not file.labels.faces:
        raise ValueError(f"{path}: expected faces that count, found none in {len(file.labels.image_ids)} images")
    return file


def borders(labels: FddbLabels) -> str:
    """Returns at which borders shapes of FDDB are cut off, in words."""
    return f"of {len(labels.sizes)} photographs, of the others 0 and {LONGEST}"


def _fddb(predictions: Path, folder: Path, given: GivenPredictions) -> BenchmarkResult:
    labels = read_fddb(folder)
    found = read_detections(predictions, WantedImages(labels.image_ids), given)
    counts = count_ellipses(found.predictions, labels)
    return _with_problems(fddb_result(counts, {"borders": borders(labels), "source": found.source}), found)


def _voc(
    benchmark: BenchmarkName, found: BenchmarkDetections, file: LabelFile, options: BenchmarkOptions
) -> BenchmarkResult:
    protocol = options.voc()
    predictions, positions = refined(found.predictions, file.labels, protocol, found.positions)
    counts = count_boxes(predictions, file.labels, protocol, positions)
    more = {"labels": file.form, "source": found.source}
    single = benchmark == "single"
    result = (
        single_result(counts, options.counted_score, more) if single else voc_result(benchmark, counts, protocol, more)
    )
    return _with_problems(result, found, file)


def _coco(found: BenchmarkDetections, file: LabelFile, options: BenchmarkOptions) -> BenchmarkResult:
    counts = count_coco(found.predictions, file.labels, max_detections=options.max_detections)
    result = coco_result(counts, {"labels": file.form, "source": found.source}, options.max_detections)
    return _with_problems(result, found, file)


def _with_problems(
    result: BenchmarkResult, found: BenchmarkDetections, file: LabelFile | None = None
) -> BenchmarkResult:
    problems = {**found.problems, "labels": list(file.remarks) if file else []}
    return replace(result, problems={name: lines for name, lines in problems.items() if lines})
