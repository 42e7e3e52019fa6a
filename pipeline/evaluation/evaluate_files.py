"""The command `wider8k evaluate`: predictions and ground truth from files, AP, JSON and a page.

No torch is imported unless suppression is asked for, so that the whole validation set takes about two seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth, load_ground_truth
from pipeline.data.datasets.wider_face.prediction_lines import Reading
from pipeline.data.datasets.wider_face.predictions import read_wider_text
from pipeline.data.prediction_format import ImageInfo, require_format
from pipeline.data.prediction_names import NameMatch
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.dump_reader import dump_shards, read_dump
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

    def evaluate(self, false_alarms: float | None = None, matches: Matches | None = None) -> WiderResult:
        """Returns AP, counts, protocol and problems; with a raw score also the false alarms at it.

        ``matches`` are those of `matches`, where they are known already.
        """
        given = (self.truth, self.predictions, self.reading, self.extra_scores, self.protocol, self.problems)
        return evaluate(*given, false_alarms, matches)

    def matches(self) -> Matches:
        """Returns every detection with its face, as `evaluate` counts them."""
        return match_images(self.predictions, self.truth, self.scores(), self.reading)

    def scores(self) -> ScoreRange:
        """Returns what `evaluate` normalises the scores with."""
        return whole_range(self.predictions.select(self.truth.image_ids), self.reading, self.extra_scores)


def read_inputs(
    predictions: Path,
    ground_truth: Path,
    images: Path | None = None,
    reading: Reading = "matlab",
    nms: float | None = None,
    score: float | None = None,
    unreadable: Literal["left_out", "missed"] = "missed",
) -> EvaluationInputs:
    """Returns the inputs of an evaluation.

    Args:
        predictions: folder or tar archive in the WIDER submission format, or a folder with Parquet shards (a dump).
        ground_truth: folder with the four official .mat files.
        images: text file with one `event/name` or `event/name.jpg` per line; None for the whole validation set.
        reading: whose oddities to follow, "matlab" or "python".
        nms: drop boxes that overlap a better one by more than this (+1 IoU); None leaves them.
        score: keep only scores above this; None keeps all.
        unreadable: of a dump: leave images out that could not be read, or count their faces as missed, as the
            benchmark's own tool counts images without a file.

    Raises:
        FileNotFoundError: predictions, the list or a .mat file does not exist.
        ValueError: malformed predictions, or such that cannot be meant for these images (see `prediction_names` and
            `prediction_format`); an unknown image in the list, or a threshold out of range.
    """
    if nms is not None and not 0 <= nms <= 1:
        raise ValueError(f"expected an NMS threshold in 0..1, got {nms}")
    full_truth = load_ground_truth(ground_truth)
    truth = full_truth if images is None else full_truth.restrict(read_image_list(images))
    if predictions.is_dir() and dump_shards(predictions):
        inputs, without_size = _from_dump(predictions, truth, full_truth, reading)
        if without_size:
            inputs = apply_unreadable(inputs, predictions, without_size, unreadable)
    else:
        inputs = _from_text(predictions, truth, full_truth, reading)
    protocol = {**inputs.protocol, "restricted": images is not None, "score_cut": score, "nms": nms}
    return replace(inputs, predictions=_thinned(inputs.predictions, nms, score), protocol=protocol)


def read_image_list(file: Path) -> list[str]:
    """Returns the image ids of a list: one `event/name[.jpg]` per line, blank lines and `#` comments skipped."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file}: expected a list of images in UTF-8, found byte 0x{error.object[error.start]:02x}"
        ) from None
    lines = (line.strip() for line in text.splitlines())
    image_ids = [line.removesuffix(".jpg") for line in lines if line and not line.startswith("#")]
    if not image_ids:
        raise ValueError(f"{file} lists no image")
    return image_ids


def _known(truth: WiderGroundTruth) -> dict[str, ImageInfo]:
    return {image_id: ImageInfo(faces) for image_id, faces in zip(truth.image_ids, truth.boxes, strict=True)}


def _from_text(
    source: Path, truth: WiderGroundTruth, full_truth: WiderGroundTruth, reading: Reading
) -> EvaluationInputs:
    text = read_wider_text(source, truth.image_ids, reading, known=full_truth.image_ids)
    text.require(source, _known(truth))
    problems = {
        "missing": [f"{image_id}.txt" for image_id in text.missing],
        "extra": list(text.extra),
        "disagreeing": list(text.disagreeing),
    }
    return EvaluationInputs(truth, text.predictions, reading, text.extra_scores, {"source": "WIDER text"}, problems)


def _from_dump(
    folder: Path, truth: WiderGroundTruth, full_truth: WiderGroundTruth, reading: Reading
) -> tuple[EvaluationInputs, frozenset[str]]:
    """Returns the inputs, and those of their images that could not be read."""
    dump = read_dump(folder)
    present, wanted = set(dump.predictions.image_ids), set(truth.image_ids)
    missing = [image_id for image_id in truth.image_ids if image_id not in present]
    NameMatch(wanted, missing, sorted(present - set(full_truth.image_ids)), suffix="").require(folder)
    errors = {image_id: reason for image_id, reason in dump.errors.items() if image_id in wanted}
    if len(errors) == len(wanted) - len(missing):
        first, reason = next(iter(errors.items()))
        raise ValueError(
            f"{folder}: expected detections, found {len(errors)} rows that are all errors: {first}: {reason}"
        )
    chosen, known = dump.predictions.select(truth.image_ids), _known(truth)
    rows = ((np.c_[boxes, scores], known[image_id]) for image_id, (boxes, scores) in chosen.by_image())
    require_format(folder, "x1 y1 x2 y2", rows)
    problems = {"missing": missing, "errors": [f"{image_id}: {reason}" for image_id, reason in errors.items()]}
    inputs = EvaluationInputs(truth, chosen, reading, np.zeros(0), {"source": "dump"}, problems)
    return inputs, dump.unreadable & wanted


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
    lines = inputs.problems["errors"]
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

    data = PageData(
        title=f"{name} on WIDER FACE",
        summary=f"{result.protocol['boxes']:,} detections in {result.protocol['images']:,} images.",
        runs=[RunResult(name, "", "", result.protocol, result.ap, result.counts)],
        gallery_score=_FOUND_FROM,
        sizes=size_histogram(inputs.truth, inputs.predictions, _FOUND_FROM),
        errors=[
            *filter(None, [subsets_without_faces({name: each.faces for name, each in result.counts.items()})]),
            *(f"{kind}: {line}" for kind, lines in result.problems.items() for line in lines),
        ],
        commands=commands,
        tables=tables,
    )
    return render_page(data)
