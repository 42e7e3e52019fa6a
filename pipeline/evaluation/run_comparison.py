"""Two runs on the same images: what differs in their configs, AP with intervals and a paired test, and which images.

An image's **change** is what it contributes to the difference of the two APs: the mean of what the first run's AP
gains when this image alone has the second run's detections, and what the second run's AP loses when it alone has those
of the first. Each run's scores are normalised with its own minimum and maximum. The changes of all images add up to
about the difference of the APs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.engine.fingerprint import difference
from pipeline.evaluation.bootstrap import (
    RESAMPLES,
    Interval,
    PairedTest,
    average_precisions,
    image_counts,
    interval,
    paired_test,
    resample,
)
from pipeline.evaluation.evaluate_files import EvaluationInputs
from pipeline.evaluation.wider_ap import STEPS, Matches
from pipeline.evaluation.wider_result import WiderResult

Float64 = NDArray[np.float64]

TOP: Final = 10
"""Images shown of those that gained and of those that lost most."""
_AT_ONCE: Final = 256  # images of one block: each of its curves takes 2 MB


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One of two runs.

    Attributes:
        name: as it is shown.
        inputs: its detections, and the faces of its images.
        config: nested plain values of all that led to it, as far as it is known.
    """

    name: str
    inputs: EvaluationInputs
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageChange:
    """What one image contributes to the difference.

    Attributes:
        image_id: of the image.
        change: see the top of this file; AP in -1..1.
        faces: that count.
        found: of them, by each run at any score.
        false: boxes of each run at any score that are proposals and match nothing.
    """

    image_id: str
    change: float
    faces: int
    found: tuple[int, int]
    false: tuple[int, int]


@dataclass(frozen=True, slots=True)
class RunComparison:
    """What two runs differ in; mappings are subset -> figure, pairs are (first run, second run).

    Attributes:
        names: of the runs.
        config: (field, value of the first run, value of the second) of all that differs.
        ap: AP with intervals.
        tests: difference, second run minus first, with its interval and p-value.
        gained, lost: images in which the second run is better, or worse, in `subset`; most first.
        subset: of the images' changes.
        images: number of images both runs have.
        left_out: images that one run alone has; they are in no figure.
        resamples, seed: of intervals and test.
        results: the evaluation of each over the common images.
    """

    names: tuple[str, str]
    config: Sequence[tuple[str, Any, Any]]
    ap: Mapping[str, tuple[Interval, Interval]]
    tests: Mapping[str, PairedTest]
    gained: Sequence[ImageChange]
    lost: Sequence[ImageChange]
    subset: str
    images: int
    left_out: int
    resamples: int
    seed: int
    results: tuple[WiderResult, WiderResult]


def compare_runs(
    a: ComparedRun, b: ComparedRun, resamples: int = RESAMPLES, seed: int = 0, top: int = TOP
) -> RunComparison:
    """Returns how a second run differs from a first, over the images that both have.

    Args:
        a: first run.
        b: second run.
        resamples: of the images; the same ones for both.
        seed: of the draws.
        top: most images to name of those that gained, and of those that lost.

    The changes of the images are those of the last subset: "hard", or "all" of labels of one's own.

    Raises:
        ValueError: they have no image in common, other subsets of faces, or other faces in an image.
    """
    common = _common_images(a, b)
    inputs = [replace(each.inputs, truth=each.inputs.truth.restrict(common)) for each in (a, b)]
    # In one order: the two may list their images differently.
    names = inputs[0].truth.image_ids
    inputs[1] = replace(inputs[1], truth=inputs[0].truth)
    first, second = (each.matches() for each in inputs)
    subset = list(first.counts)[-1]
    results = [each.evaluate(matches=matches) for each, matches in zip(inputs, (first, second), strict=True)]
    drawn = resample([image_counts(first), image_counts(second)], resamples, seed)
    ap, tests = {}, {}
    for place, level in enumerate(first.counts):
        values = results[0].ap[level], results[1].ap[level]
        ap[level] = interval(values[0], drawn[0, place]), interval(values[1], drawn[1, place])
        tests[level] = paired_test(values, (drawn[0, place], drawn[1, place]))
    change_I = image_changes(first, second, subset)
    falling = np.argsort(-change_I, kind="stable")
    gained = [int(image) for image in falling[:top] if change_I[image] > 0]
    lost = [int(image) for image in falling[::-1][:top] if change_I[image] < 0]
    described = {image: _describe(image, names, change_I, (first, second), subset) for image in (*gained, *lost)}
    return RunComparison(
        names=(a.name, b.name),
        config=difference(a.config, b.config),
        ap=ap,
        tests=tests,
        gained=[described[image] for image in gained],
        lost=[described[image] for image in lost],
        subset=subset,
        images=len(names),
        left_out=len({*a.inputs.truth.image_ids} ^ {*b.inputs.truth.image_ids}),
        resamples=resamples,
        seed=seed,
        results=(results[0], results[1]),
    )


def image_changes(a: Matches, b: Matches, subset: str) -> Float64:
    """Returns float64 [I], what each image contributes to the difference of AP; NaN where no face counts.

    The rows of both are the same images.
    """
    faces = int(a.counts[subset].sum())
    images = len(a.has_faces_I)
    totals = [_curves(each, subset, 0, images, single=True) for each in (a, b)]
    whole = [average_precisions(*total, np.array([faces]))[0] for total in totals]
    change_I = np.empty(images)
    for start in range(0, images, _AT_ONCE):
        stop = min(start + _AT_ONCE, images)
        parts = [_curves(each, subset, start, stop) for each in (a, b)]
        faces_R = np.full(stop - start, faces)
        swapped = [
            average_precisions(
                totals[own][0] - parts[own][0] + parts[1 - own][0],
                totals[own][1] - parts[own][1] + parts[1 - own][1],
                faces_R,
            )
            - whole[own]
            for own in (0, 1)
        ]
        # An image with equal curves changes nothing, not even by rounding.
        differs = [(one != other).any(axis=0) for one, other in zip(*parts, strict=True)]
        change_I[start:stop] = np.where(differs[0] | differs[1], (swapped[0] - swapped[1]) / 2, 0)
    return change_I


def _common_images(a: ComparedRun, b: ComparedRun) -> set[str]:
    truths = a.inputs.truth, b.inputs.truth
    subsets = [", ".join(truth.counts) for truth in truths]
    if subsets[0] != subsets[1]:
        raise ValueError(
            f"{a.name} counts the faces of {subsets[0]}, {b.name} those of {subsets[1]}: their APs do not compare"
        )
    common = {*truths[0].image_ids} & {*truths[1].image_ids}
    if not common:
        raise ValueError(f"{a.name} and {b.name} have no image in common")
    one, other = (truth.restrict(common) for truth in truths)
    place = {image_id: row for row, image_id in enumerate(other.image_ids)}
    for row, image_id in enumerate(one.image_ids):
        there = place[image_id]
        same = np.array_equal(one.boxes[row], other.boxes[there]) and all(
            np.array_equal(flags[row], other.counts[level][there]) for level, flags in one.counts.items()
        )
        if not same:
            raise ValueError(f"{image_id} has other faces in {a.name} than in {b.name}: their APs do not compare")
    return common


def _curves(matches: Matches, subset: str, start: int, stop: int, single: bool = False) -> tuple[Float64, Float64]:
    """Returns proposals and matches, float64 [1000, images], of each image of a part; `single` adds the images up."""
    counted_F = matches.counts[subset]
    rows = slice(*np.searchsorted(matches.image_N, [start, stop]))
    hit_N = matches.on(counted_F) & matches.first_N
    width = 1 if single else stop - start
    place_N = np.zeros(len(hit_N), np.int64) if single else matches.image_N - start

    def curves(use_N: NDArray[np.bool_]) -> Float64:
        use = use_N[rows]
        cells = matches.enters_N[rows][use] * width + place_N[rows][use]
        entered = np.bincount(cells, minlength=(STEPS + 1) * width).reshape(STEPS + 1, width)
        return entered[:STEPS].cumsum(axis=0).astype(np.float64)

    return curves(matches.proposals_of(counted_F)), curves(hit_N)


def _describe(
    image: int, names: Sequence[str], change_I: Float64, runs: tuple[Matches, Matches], subset: str
) -> ImageChange:
    faces = int(runs[0].counts[subset][runs[0].image_F == image].sum())
    ends = [tuple(int(curve[-1, 0]) for curve in _curves(each, subset, image, image + 1)) for each in runs]
    (boxes_a, found_a), (boxes_b, found_b) = ends
    false = boxes_a - found_a, boxes_b - found_b
    return ImageChange(names[image], float(change_I[image]), faces, (found_a, found_b), false)
