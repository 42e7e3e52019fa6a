"""AP by face height, event and annotated attribute: whole counts per group, which add up over images.

Within the faces that count in a subset (hard, unless another is asked for), only those of a group count and all other
faces are *ignored*, as WIDER FACE ignores the faces that do not count in easy: a detection on one of them is removed
and is no false alarm. A detection on no face at all has neither height nor attribute and is a false alarm of *every*
group of these; so a group of few faces has a low AP, and groups compare between runs rather than with each other. An
event is a part of the images: only the faces and detections of its images count. Scores stay normalised over the whole
set everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.wider_ap import STEPS, ApCounts, Matches, average_precision

Int64 = NDArray[np.int64]

HEIGHTS: Final = (0, 10, 20, 30, 40, 60, 80, 120, 160, 240, 320, 500, 1000, 2000, 4000)
"""Lower edges of the bins of face height in pixels; the last has no upper edge."""
VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "blur": ("clear", "normal", "heavy"),
    "occlusion": ("none", "partial", "heavy"),
    "pose": ("typical", "atypical"),
    "illumination": ("normal", "extreme"),
}
"""Attribute of WIDER FACE -> name of each value 0, 1, ..; faces of another value are ignored."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Counts of groups of faces; adding two of them is exact.

    Attributes:
        parts: "height", "event" or an attribute -> name of the group -> counts.
    """

    parts: Mapping[str, Mapping[str, ApCounts]]

    def __add__(self, other: Breakdown) -> Breakdown:
        """Returns the counts of both; a group that only one of them has, such as an event, is taken as it is."""
        parts: dict[str, dict[str, ApCounts]] = {}
        for each in (self, other):
            for part, groups in each.parts.items():
                sums = parts.setdefault(part, {})
                for name, counts in groups.items():
                    sums[name] = sums.get(name, ApCounts.zero()) + counts
        return Breakdown(parts)

    @property
    def ap(self) -> Mapping[str, Mapping[str, float]]:
        """Part -> name of the group -> AP in 0..1, NaN where no face counts."""
        return {
            part: {name: average_precision(counts) for name, counts in groups.items()}
            for part, groups in self.parts.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Returns part -> group -> `{"ap", "faces", "found"}`; found by any score, an AP without faces is null."""
        return {
            part: {
                name: {"ap": ap if counts.faces else None, "faces": counts.faces, "found": int(counts.matches[-1])}
                for (name, counts), ap in zip(groups.items(), self.ap[part].values(), strict=True)
            }
            for part, groups in self.parts.items()
        }


def break_down(
    matches: Matches,
    image_ids: Sequence[str],
    attributes: Mapping[str, NDArray[np.integer[Any]]],
    subset: str = "hard",
) -> Breakdown:
    """Returns the counts by height, by event and by every attribute of `VALUES` that is given.

    Args:
        matches: of some images.
        image_ids: their names `<event>/<image>`, in the order of the matches.
        attributes: name -> int [F], one value per face in the order of the matches.
        subset: whose faces can count.

    Raises:
        ValueError: lengths disagree.
    """
    counted_F = matches.counts[subset]
    if len(image_ids) != len(matches.has_faces_I):
        raise ValueError(f"{len(image_ids)} names for {len(matches.has_faces_I)} images")
    height_F = matches.faces_F4[:, 3] - matches.faces_F4[:, 1]
    bin_F = np.maximum(np.searchsorted(HEIGHTS, height_F, side="right") - 1, 0)
    parts = {"height": _by_face(matches, counted_F, bin_F, height_names())}
    for name, values in VALUES.items():
        value_F = attributes.get(name)
        if value_F is None:
            continue
        if len(value_F) != len(counted_F):
            raise ValueError(f"{name} has {len(value_F)} values for {len(counted_F)} faces")
        parts[name] = _by_face(matches, counted_F, np.where(value_F < len(values), value_F, -1), values)
    return Breakdown({**parts, "event": _by_event(matches, counted_F, image_ids)})


def height_names() -> tuple[str, ...]:
    """Returns the name of each bin of `HEIGHTS`."""
    spans = tuple(f"{low} to {high} px" for low, high in pairwise(HEIGHTS))
    return (*spans, f"{HEIGHTS[-1]} px and more")


def _by_face(
    matches: Matches, counted_F: NDArray[np.bool_], group_F: NDArray[Any], names: Sequence[str]
) -> dict[str, ApCounts]:
    """Returns the counts of groups of faces; `group_F` is -1 for a face of no group."""
    group_F = np.where(counted_F, group_F, -1)
    group_N = np.append(group_F, -1)[matches.face_N]
    alarms = _curves(np.zeros(len(group_N), np.int64), matches.enters_N, _alarms(matches), 1)
    proposals = alarms + _curves(group_N, matches.enters_N, group_N >= 0, len(names))
    found = _curves(group_N, matches.enters_N, (group_N >= 0) & matches.first_N, len(names))
    faces = np.bincount(group_F[group_F >= 0], minlength=len(names))
    images, boxes = int(matches.has_faces_I.sum()), int(matches.has_faces_I[matches.image_N].sum())
    return {
        name: ApCounts(int(faces[group]), images, boxes, proposals[group], found[group])
        for group, name in enumerate(names)
    }


def _by_event(matches: Matches, counted_F: NDArray[np.bool_], image_ids: Sequence[str]) -> dict[str, ApCounts]:
    names = list(dict.fromkeys(each.partition("/")[0] for each in image_ids))
    number = {name: place for place, name in enumerate(names)}
    event_I = np.array([number[each.partition("/")[0]] for each in image_ids], np.int64)
    event_N, on_N = event_I[matches.image_N], matches.on(counted_F)
    proposals = _curves(event_N, matches.enters_N, matches.proposals_of(counted_F), len(names))
    found = _curves(event_N, matches.enters_N, on_N & matches.first_N, len(names))
    faces = np.bincount(event_I[matches.image_F[counted_F]], minlength=len(names))
    images = np.bincount(event_I[matches.has_faces_I], minlength=len(names))
    boxes = np.bincount(event_N[matches.has_faces_I[matches.image_N]], minlength=len(names))
    return {
        name: ApCounts(int(faces[event]), int(images[event]), int(boxes[event]), proposals[event], found[event])
        for event, name in enumerate(names)
    }


def _alarms(matches: Matches) -> NDArray[np.bool_]:
    alarm_N: NDArray[np.bool_] = matches.has_faces_I[matches.image_N] & (matches.face_N < 0)
    return alarm_N


def _curves(group_N: Int64, enters_N: Int64, use_N: NDArray[np.bool_], groups: int) -> Int64:
    """Returns int64 [groups, 1000]: how many of the chosen rows of each group have entered at each threshold."""
    cells = group_N[use_N] * (STEPS + 1) + enters_N[use_N]
    entered = np.bincount(cells, minlength=groups * (STEPS + 1)).reshape(groups, STEPS + 1)
    curves: Int64 = entered[:, :STEPS].cumsum(axis=1).astype(np.int64)
    return curves
