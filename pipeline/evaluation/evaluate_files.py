"""The command `wider8k evaluate`: predictions and labels from files of any form, AP, JSON and a page.

No torch is imported unless suppression is asked for, so that the whole validation set takes about two seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.labels.reader import LabelFile
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth, is_official, load_ground_truth
from pipeline.data.datasets.wider_face.prediction_files import is_archive
from pipeline.data.datasets.wider_face.prediction_lines import Reading
from pipeline.data.datasets.wider_face.predictions import read_wider_text
from pipeline.data.image_list import match_image_list
from pipeline.data.prediction_format import ImageInfo
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.predictions.compared_labels import read_compared_labels
from pipeline.data.predictions.forms import recognise
from pipeline.data.predictions.matching import PLAIN, GivenPredictions
from pipeline.evaluation.benchmark_inputs import WantedImages, read_detections
from pipeline.evaluation.missing_answers import LEFT_OUT, UNREADABLE
from pipeline.evaluation.result_table import ResultTable
from pipeline.evaluation.wider_ap import Matches, ScoreRange, match_images
from pipeline.evaluation.wider_result import WiderResult, evaluate, subsets_without_faces, whole_range

_FOUND_FROM = 0.5  # raw score


@dataclass(frozen=True, slots=True)
class EvaluationInputs:
    """Everything an evaluation needs, read and checked.

    Attributes:
        predictions: after score cut and suppression where asked for.
        extra_scores: float64, see `WiderText.extra_scores`.
        protocol: entries of this run, in plain JSON values.
        problems: name -> lines.
    """

    truth: WiderGroundTruth
    predictions: PredictionSet
    reading: Reading = "matlab"
    extra_scores: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    protocol: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)

    def evaluate(self, asked: Mapping[str, Any] | None = None, matches: Matches | None = None) -> WiderResult:
        """Returns AP, counts, protocol, problems, and the metrics that are asked for, see `count_metrics`.

        ``matches`` are those of `matches`, where they are known already.
        """
        given = (self.truth, self.predictions, self.reading, self.extra_scores, self.protocol, self.problems)
        return evaluate(*given, asked, matches)

    def matches(self) -> Matches:
        """Returns every detection with its face, as `evaluate` counts them."""
        return match_images(self.predictions, self.truth, self.scores(), self.reading)

    def scores(self) -> ScoreRange:
        """Returns what `evaluate` normalises the scores with."""
        return whole_range(self.predictions.select(self.truth.image_ids), self.reading, self.extra_scores)


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """All images and faces of labels.

    Attributes:
        truth: the faces; those that count are one subset, "all", or the three official ones.
        own: the labels; None where they are the official files.
    """

    truth: WiderGroundTruth
    own: LabelFile | None = None


def truth_of_labels(labels: BoxLabels) -> WiderGroundTruth:
    """Returns labels as ground truth with one subset, "all", of the faces that are not ignored."""
    return WiderGroundTruth(labels.image_ids, labels.boxes, {"all": tuple(~flags for flags in labels.ignored)})


def read_labels(path: Path, category: str | None = None) -> LabelledImages:
    """Returns the faces of labels of any form, or of the folder with the official files.

    Args:
        path: of one of `labels.forms.FORMS`, or a folder with the four .mat files.
        category: name of the objects that are faces; None where all have one name.

    Raises FileNotFoundError: it does not exist; ValueError: it is of no form, or malformed; the message gives file,
    place, expected and found.
    """
    if is_official(path):
        return LabelledImages(load_ground_truth(path))
    labels = read_compared_labels(path, category)
    return LabelledImages(truth_of_labels(labels.labels), labels)


def read_inputs(
    predictions: Path,
    ground_truth: Path | LabelledImages,
    images: Path | None = None,
    reading: Reading = "matlab",
    nms: float | None = None,
    score: float | None = None,
    unreadable: Literal["left_out", "missed"] = "missed",
    given: GivenPredictions = PLAIN,
) -> EvaluationInputs:
    """Returns the inputs of an evaluation by WIDER FACE's rule.

    Args:
        predictions: of one of `predictions.forms.FORMS`.
        ground_truth: folder with the four official .mat files, or what `read_labels` returns.
        images: text file with one image per line, see `image_list`; None for all of them.
        reading: whose oddities to follow, "matlab" or "python"; the latter is of WIDER text for the official files.
        nms: drop boxes that overlap a better one by more than this (+1 IoU); None leaves them.
        score: keep only scores above this; None keeps all.
        unreadable: of a dump: leave images out that could not be read, or count their faces as missed, as the
            benchmark's own tool counts images without a file.
        given: what is known about the predictions.

    Raises:
        FileNotFoundError: predictions, labels, the list or a .mat file does not exist.
        ValueError: malformed predictions, or such that cannot be meant for these images (see `prediction_names` and
            `prediction_format`); a list that names none of the images, or a threshold out of range.
    """
    if nms is not None and not 0 <= nms <= 1:
        raise ValueError(f"expected an NMS threshold in 0..1, got {nms}")
    labelled = ground_truth
    if isinstance(labelled, Path):
        labelled = LabelledImages(load_ground_truth(labelled))
    listed = None if images is None else match_image_list(images, labelled.truth.image_ids)
    truth = labelled.truth if listed is None else labelled.truth.restrict(listed.image_ids)
    inputs, without_size = _read_predictions(predictions, truth, labelled, reading, given)
    if listed is not None and listed.unknown:
        inputs = replace(inputs, problems={**inputs.problems, "listed, not labelled": list(listed.unknown)})
    if without_size:
        inputs = apply_unreadable(inputs, predictions, without_size, unreadable)
    protocol = {**inputs.protocol, "restricted": images is not None, "score_cut": score, "nms": nms}
    return replace(inputs, predictions=_thinned(inputs.predictions, nms, score), protocol=protocol)


def _read_predictions(
    source: Path, truth: WiderGroundTruth, labelled: LabelledImages, reading: Reading, given: GivenPredictions
) -> tuple[EvaluationInputs, frozenset[str]]:
    """Returns the inputs, and those of their images that could not be read."""
    own = labelled.own
    if reading == "python" and own is not None:
        raise ValueError("--reading python: expected the official .mat files, found labels of another form")
    text = reading == "python" or _has_files_of_images(source, given)
    if own is None and text and given.category is None:  # which WIDER text does not have
        return _from_text(source, truth, labelled.truth, reading), frozenset()
    wanted = WantedImages(truth.image_ids, truth.boxes) if own is None else WantedImages.of(own)
    known = set(labelled.truth.image_ids).difference(truth.image_ids)
    wanted = replace(wanted, image_ids=truth.image_ids, faces=truth.boxes, known=known)
    found = read_detections(source, wanted, given)
    problems, protocol = dict(found.problems), dict[str, Any](source=found.source)
    if own is not None:
        protocol |= {"benchmark": "labels by the rule of WIDER FACE", "labels": own.form}
        problems["labels"] = list(own.remarks)
    inputs = EvaluationInputs(truth, found.predictions, reading, np.zeros(0), protocol, problems)
    return inputs, found.unreadable


def _has_files_of_images(source: Path, given: GivenPredictions) -> bool:
    """Returns whether predictions are WIDER text with a file per image, as the benchmark's own tool reads it."""
    name = given.form or recognise(source)[0]
    return name == "wider_text" and not (source.is_file() and not is_archive(source))


def _from_text(
    source: Path, truth: WiderGroundTruth, full_truth: WiderGroundTruth, reading: Reading
) -> EvaluationInputs:
    text = read_wider_text(source, truth.image_ids, reading, known=full_truth.image_ids)
    faces = zip(truth.image_ids, truth.boxes, strict=True)
    text.require(source, {image_id: ImageInfo(boxes) for image_id, boxes in faces})
    problems = {
        "missing": [f"{image_id}.txt" for image_id in text.missing],
        "extra": list(text.extra),
        "disagreeing": list(text.disagreeing),
    }
    return EvaluationInputs(truth, text.predictions, reading, text.extra_scores, {"source": "WIDER text"}, problems)


def apply_unreadable(
    inputs: EvaluationInputs, folder: Path, found: frozenset[str], unreadable: Literal["left_out", "missed"]
) -> EvaluationInputs:
    """Returns the inputs of an evaluation without the images that could not be read, or with their number.

    Args:
        inputs: of a dump.
        folder: of the dump.
        found: the images of the ground truth that could not be read; at least one.
        unreadable: "left_out" evaluates the other images alone; "missed" counts their faces as missed.
    """
    protocol = {**inputs.protocol, (LEFT_OUT if unreadable == "left_out" else UNREADABLE): len(found)}
    if unreadable == "missed":
        return replace(inputs, protocol=protocol)
    truth = inputs.truth.restrict(set(inputs.truth.image_ids) - found)
    if not truth.image_ids:
        raise ValueError(f"{folder}: none of {len(found)} images could be read: nothing to evaluate")
    lines = inputs.problems.get("errors", [])
    left_out = [line for line in lines if line.partition(": ")[0] in found]
    errors = [line for line in lines if line not in left_out]
    problems = {**inputs.problems, "errors": errors, "unreadable, left out of AP": left_out}
    chosen = inputs.predictions.select(truth.image_ids)
    return replace(inputs, truth=truth, predictions=chosen, protocol=protocol, problems=problems)


def _thinned(predictions: PredictionSet, nms: float | None, score: float | None) -> PredictionSet:
    if nms is None and score is None:
        return predictions
    keep = [
        start + _kept(predictions.boxes[start:stop], predictions.scores[start:stop], nms, score)
        for start, stop in zip(predictions.offsets[:-1].tolist(), predictions.offsets[1:].tolist(), strict=True)
    ]
    offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in keep])]).astype(np.int64)
    rows = np.concatenate([np.zeros(0, np.int64), *keep])
    return PredictionSet(predictions.image_ids, offsets, predictions.boxes[rows], predictions.scores[rows])


def _kept(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], nms: float | None, score: float | None
) -> NDArray[np.int64]:
    rows = np.arange(len(scores)) if score is None else np.flatnonzero(scores > score)
    if nms is None or len(rows) == 0:
        return rows
    import torch  # seconds: only where suppression is asked for

    from pipeline.boxes.suppression import nms as suppress

    kept = suppress(torch.from_numpy(boxes[rows]), torch.from_numpy(scores[rows]), nms)
    survivors: NDArray[np.int64] = rows[kept.numpy()]
    return survivors


def report_page(
    inputs: EvaluationInputs,
    result: WiderResult,
    name: str,
    commands: Sequence[str] = (),
    tables: Sequence[ResultTable] = (),
) -> str:
    """Returns the HTML page of one evaluation: AP, curves, protocol, face sizes and problems; no images.

    `name` is that of the predictions; the face-size histogram counts faces as found from `_FOUND_FROM` on; `tables` are
    shown after the curves.
    """
    from pipeline.evaluation.hits_and_misses import size_histogram
    from pipeline.evaluation.page import PageData, render_page
    from pipeline.evaluation.run_result import RunResult

    subset = list(inputs.truth.counts)[-1]
    data = PageData(
        title=f"{name} on {result.protocol.get('labels', 'WIDER FACE')}",
        summary=f"{result.protocol['boxes']:,} detections in {result.protocol['images']:,} images.",
        runs=[RunResult(name, "", "", result.protocol, result.ap, result.counts)],
        gallery_score=_FOUND_FROM,
        gallery_subset=subset,
        sizes=size_histogram(inputs.truth, inputs.predictions, _FOUND_FROM, subset),
        errors=[
            *filter(None, [subsets_without_faces({name: each.faces for name, each in result.counts.items()})]),
            *(f"{kind}: {line}" for kind, lines in result.problems.items() for line in lines),
        ],
        commands=commands,
        tables=tables,
    )
    return render_page(data)
