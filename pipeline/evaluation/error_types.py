"""Types of errors, and how much AP each costs, after TIDE (Bolya et al., ECCV 2020): whole counts, which add up.

Every detection that the protocol counts as a false positive has one type, by its closest face (highest IoU, +1, among
all faces of its image) and that IoU:

* **localisation**: 0.1 <= IoU < 0.5. Corrected, the box is placed exactly on its closest face: a match with its own
  score where no detection has that face yet (the best of several such boxes, the others go); it goes where the face is
  found by any other detection, or ignored.
* **duplicate**: IoU >= 0.5 with a counted face that a better-scored detection has. Corrected, it goes.
* **background**: IoU < 0.1. Corrected, it goes.

And a counted face is **missed** where no detection goes to it with an IoU >= 0.5 and no localisation error has it as
its closest face. Corrected, it no longer counts, so that the recall of the others rises.

What an error costs is AP with this type alone corrected, minus AP. The costs do not add up to 1 - AP: one correction
can make another worth more. Scores are not changed, nor is their normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.matching import first_hits
from pipeline.evaluation.closest_faces import ClosestFaces
from pipeline.evaluation.wider_ap import ApCounts, Matches, average_precision, running

Flags = NDArray[np.bool_]

ERRORS: Final = ("localisation", "duplicate", "background", "missed")


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Whole counts of one subset over some images; adding two of them is exact.

    Attributes:
        present: counts of the AP as it is.
        errors: type of `ERRORS` -> detections of any score; faces for "missed".
        corrected: type -> counts of the AP with this type alone corrected.
    """

    present: ApCounts
    errors: Mapping[str, int]
    corrected: Mapping[str, ApCounts]

    @classmethod
    def zero(cls) -> ErrorCounts:
        """Returns the counts of no image."""
        return cls(ApCounts.zero(), dict.fromkeys(ERRORS, 0), dict.fromkeys(ERRORS, ApCounts.zero()))

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.present + other.present,
            {name: self.errors[name] + other.errors[name] for name in ERRORS},
            {name: self.corrected[name] + other.corrected[name] for name in ERRORS},
        )

    @property
    def cost(self) -> Mapping[str, float]:
        """Type -> AP with it corrected minus AP, in -1..1; NaN where no face counts, before or after."""
        ap = average_precision(self.present)
        return {name: average_precision(counts) - ap for name, counts in self.corrected.items()}

    def to_json(self) -> dict[str, Any]:
        """Returns type -> `{"count", "cost"}`; a cost that does not exist is null."""
        return {
            name: {"count": self.errors[name], "cost": None if np.isnan(cost) else cost}
            for name, cost in self.cost.items()
        }


def count_errors(matches: Matches, closest: ClosestFaces) -> dict[str, ErrorCounts]:
    """Returns the errors per subset over the images of some matches."""
    return {subset: _count(matches, closest, counted_F) for subset, counted_F in matches.counts.items()}


def _count(matches: Matches, closest: ClosestFaces, counted_F: Flags) -> ErrorCounts:
    present = matches.ap_counts(counted_F)
    proposal_N, on_N = matches.proposals_of(counted_F), matches.on(counted_F)
    hit_N = on_N & matches.first_N
    poor_N = proposal_N & ~on_N & (closest.face_N >= 0)
    duplicate_N, background_N = on_N & ~matches.first_N, proposal_N & ~on_N & (closest.face_N < 0)
    found_F = np.zeros(len(counted_F), bool)
    found_F[matches.face_N[hit_N]] = True
    touched_F = np.zeros(len(counted_F), bool)
    touched_F[closest.face_N[poor_N]] = True
    # The first row of several on one face has the best score.
    free_N = poor_N & np.append(counted_F & ~found_F, False)[closest.face_N]
    placed_N = first_hits(np.where(free_N, closest.face_N, -1), len(counted_F))
    missed = int((counted_F & ~found_F & ~touched_F).sum())

    def counts(proposals: Flags, hits: Flags) -> ApCounts:
        entered = running(matches.enters_N[proposals]), running(matches.enters_N[hits])
        return replace(present, proposals=entered[0], matches=entered[1])

    return ErrorCounts(
        present,
        {
            "localisation": int(poor_N.sum()),
            "duplicate": int(duplicate_N.sum()),
            "background": int(background_N.sum()),
            "missed": missed,
        },
        {
            "localisation": counts((proposal_N & ~poor_N) | placed_N, hit_N | placed_N),
            "duplicate": counts(proposal_N & ~duplicate_N, hit_N),
            "background": counts(proposal_N & ~background_N, hit_N),
            "missed": replace(present, faces=present.faces - missed),
        },
    )
