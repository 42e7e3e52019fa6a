"""Bootstrap intervals of AP over images, and a paired test between runs on the same images.

AP is a function of whole counts summed over images. A resample draws as many images as there are, with replacement:
each image gets a whole weight, and the counts are weighted sums. They are kept as one sparse table (kind of detection
and threshold by image), so that many resamples are one sparse product: 1,000 of the full validation set take about a
second. All scores stay normalised with the minimum and maximum of the *whole* set, in every resample: the range belongs
to the detector's scores, not to the images that happen to be drawn. Images are drawn, not faces, since the faces of an
image are not independent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.wider_ap import STEPS, Matches

Float64 = NDArray[np.float64]

RESAMPLES: Final = 1000
LEVEL: Final = (2.5, 97.5)
"""Percentiles of an interval."""
_AT_ONCE: Final = 128  # resamples of one block: their weights and counts take about 10 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % percentile interval; NaN where no face counts."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """Returns `{"value", "low", "high"}`; NaN is null."""
        named = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if np.isnan(each) else each for name, each in named.items()}


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The difference of two APs on the same images, its interval, and the two-sided p-value of no difference."""

    difference: Interval
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """Returns the difference's own entries and `"p_value"`; NaN is null."""
        return {**self.difference.to_json(), "p_value": None if np.isnan(self.p_value) else self.p_value}


@dataclass(frozen=True, slots=True)
class ImageCounts:
    """What every image adds to the counts of AP, sparse.

    Kinds K are the kinds of detection that differ for the subsets S: on no face, and on a face that counts in these
    and those subsets, as the first detection or a later one.

    Attributes:
        table: SciPy sparse matrix float64 [K * 1000, I], detections of a kind that enter at a threshold.
        proposals: float64 [S, K], 1 where a kind is a proposal in a subset.
        matches: float64 [S, K], 1 where it is a match.
        faces: float64 [S, I], faces that count.
    """

    table: Any
    proposals: Float64
    matches: Float64
    faces: Float64

    @property
    def images(self) -> int:
        """Number of images, without faces or with."""
        return int(self.faces.shape[1])


def image_counts(matches: Matches) -> ImageCounts:
    """Returns what every image adds to the counts of each subset, in the order of `matches.counts`."""
    from scipy import sparse  # 0.2 s that an evaluation without intervals need not pay

    subsets, images = len(matches.counts), len(matches.has_faces_I)
    # One bit per subset: the subsets in which a face counts.
    bits_F = sum((flags.astype(np.int64) << bit for bit, flags in enumerate(matches.counts.values())), np.int64(0))
    bits_N = np.append(bits_F, 0)[matches.face_N]
    no_face_N = matches.face_N < 0
    kind_N = np.where(no_face_N, 0, 2 * bits_N + matches.first_N)
    used_N = matches.has_faces_I[matches.image_N] & (no_face_N | (bits_N > 0)) & (matches.enters_N < STEPS)
    kinds, number = np.unique(kind_N[used_N], return_inverse=True)
    cells = number.reshape(-1) * STEPS + matches.enters_N[used_N]
    table = sparse.coo_array(
        (np.ones(len(cells)), (cells, matches.image_N[used_N])), shape=(len(kinds) * STEPS, images)
    ).tocsr()
    on_SK = (kinds[None] // 2 >> np.arange(subsets)[:, None]) & 1
    return ImageCounts(
        table=table,
        proposals=((on_SK > 0) | (kinds[None] == 0)).astype(np.float64),
        matches=(on_SK * (kinds[None] & 1)).astype(np.float64),
        faces=np.stack(
            [np.bincount(matches.image_F[flags], minlength=images) for flags in matches.counts.values()]
        ).astype(np.float64),
    )


def resample(runs: Sequence[ImageCounts], resamples: int = RESAMPLES, seed: int = 0) -> Float64:
    """Returns float64 [runs, subsets, resamples]: AP of every resample, the same images for every run.

    NaN where no face of the drawn images counts.

    Args:
        runs: on the same images in the same order.
        resamples: at least 1.
        seed: of the draws; equal seeds draw the same images of as many.

    Raises:
        ValueError: there is no resample, no image, or the runs are of different numbers of images.
    """
    images = {run.images for run in runs}
    if len(images) != 1 or resamples < 1 or images == {0}:
        raise ValueError(
            f"{resamples} resamples of runs on {sorted(images)} images; expected the same images, and some"
        )
    found = np.empty((len(runs), len(runs[0].faces), resamples))
    start = 0
    for weights_IR in _weights(images.pop(), resamples, seed):
        stop = start + weights_IR.shape[1]
        for place, run in enumerate(runs):
            found[place, :, start:stop] = _resampled(run, weights_IR)
        start = stop
    return found


def interval(value: float, resampled: Float64) -> Interval:
    """Returns a value with the percentile interval of its resamples, those without a value left out."""
    known = resampled[np.isfinite(resampled)]
    low, high = np.percentile(known, LEVEL) if len(known) else (np.nan, np.nan)
    return Interval(value, float(low), float(high))


def paired_test(values: tuple[float, float], resampled: tuple[Float64, Float64]) -> PairedTest:
    """Returns how much the second run differs from the first, and whether that is more than chance.

    The two-sided p-value is twice the share of resamples in which the difference is zero or has the rarer sign, both
    the share's parts counted with one more, as though the observed set were a resample: (k + 1) / (R + 1), at most 1.
    It is at most 0.05 about where the interval of the difference leaves out zero.

    Args:
        values: AP of the two runs.
        resampled: float64 [R] each, of the same drawn images.
    """
    differences = resampled[1] - resampled[0]
    known = differences[np.isfinite(differences)]
    found = interval(values[1] - values[0], known)
    if not len(known):
        return PairedTest(found, float("nan"))
    rarer = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return PairedTest(found, min(1.0, 2 * (rarer + 1) / (len(known) + 1)))


def average_precisions(proposals_TR: Float64, matches_TR: Float64, faces_R: Float64) -> Float64:
    """Returns float64 [R]: `wider_ap.average_precision` of many curves at once, up to rounding.

    Args:
        proposals_TR: float64 [1000, R], whole numbers at each threshold.
        matches_TR: likewise.
        faces_R: float64 [R], faces that count; AP is NaN where there is none.
    """
    # No match without a proposal: where there is none, precision is 0 as in the envelope of the official tool.
    precision = matches_TR / np.maximum(proposals_TR, 1)
    envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    envelope *= np.diff(matches_TR, axis=0, prepend=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Float64 = np.where(faces_R > 0, envelope.sum(axis=0) / faces_R, np.nan)
    return found


def _weights(images: int, resamples: int, seed: int) -> Iterator[Float64]:
    """Yields float64 [I, r], how often each image is drawn in each of the next resamples."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, _AT_ONCE):
        rows = min(_AT_ONCE, resamples - start)
        drawn = rng.integers(0, images, (rows, images)) + np.arange(rows)[:, None] * images
        weights = np.bincount(drawn.reshape(-1), minlength=rows * images).reshape(rows, images)
        yield np.ascontiguousarray(weights.T, np.float64)


def _resampled(run: ImageCounts, weights_IR: Float64) -> Float64:
    """Returns float64 [S, r], the AP of each subset in each resample."""
    entered = (run.table @ weights_IR).reshape(-1, STEPS, weights_IR.shape[1])
    curves_KTR = np.cumsum(entered, axis=1, out=entered)
    faces_SR = run.faces @ weights_IR
    return np.stack(
        [
            average_precisions(_sum(curves_KTR, proposals), _sum(curves_KTR, matches), faces_R)
            for proposals, matches, faces_R in zip(run.proposals, run.matches, faces_SR, strict=True)
        ]
    )


def _sum(curves_KTR: Float64, chosen_K: Float64) -> Float64:
    total: Float64 = curves_KTR[chosen_K > 0].sum(axis=0)
    return total
