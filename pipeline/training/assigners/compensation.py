"""Candidate anchors of faces that have too few, and how the network's scores decide between the faces (Ali-AMS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from pipeline.models.transfer import moved
from pipeline.training.assigners.assigner import StaticAssignment
from pipeline.training.assigners.assignment import FACE, Assignment, candidate_indices
from pipeline.training.assigners.faces import Predicted, require_predicted
from pipeline.training.assigners.grouped_sort import deferred_acceptance, rank_in_group, rounds_needed


@dataclass(frozen=True, slots=True)
class CandidateAnchors:
    """P candidate anchors of N faces that have too few.

    Attributes:
        group: int64 [P], rising: which of the N faces.
        index: int64 [P], flat index image * A + anchor, different within a face.
        need: int64 [N], how many anchors each face may take.
        column: int64 [N], of the face in the `FaceBatch`.
    """

    group: Tensor
    index: Tensor
    need: Tensor
    column: Tensor


@dataclass(frozen=True, slots=True)
class PartialAliAms:
    """The standard matching, and the candidates of one or more rounds of compensation.

    Attributes:
        matched: the standard matching.
        rounds: candidates of each round.
        sequential: faces choose in order of their index among what earlier ones have left; else each takes its best,
            drops what is FACE already, and the lowest face gets an anchor that several take.
        name: of the assigner, for a message.
    """

    matched: StaticAssignment
    rounds: tuple[_Round, ...]
    sequential: bool
    name: str

    @classmethod
    def of(
        cls, matched: Assignment, candidates: Sequence[CandidateAnchors], name: str, *, sequential: bool
    ) -> PartialAliAms:
        """Returns it for a matching, which `complete` writes into, and the candidates of each round."""
        return cls(
            StaticAssignment(matched), tuple(_Round.of(each, sequential) for each in candidates), sequential, name
        )

    def to(self, device: torch.device) -> PartialAliAms:
        """Returns it on a device."""
        return replace(self, matched=self.matched.to(device), rounds=tuple(each.to(device) for each in self.rounds))

    def complete(self, predicted: Predicted | None) -> Assignment:
        """Returns the compensated matching; see `PartialAssignment`."""
        logits = require_predicted(predicted, self.name).logits.float().reshape(-1)
        matched = self.matched.complete(predicted)
        face, label, added = (each.view(-1) for each in (matched.face, matched.label, matched.compensated))
        for each in self.rounds:
            taker = each.sequential(logits) if self.sequential else each.simultaneous(label, logits)
            face[each.slots] = torch.where(taker >= 0, each.column[taker], face[each.slots])
            label[each.slots] = torch.where(taker >= 0, FACE, label[each.slots])
            added[each.slots] = added[each.slots] | (taker >= 0)
        indices = torch.cat([candidate_indices(matched), *(each.slots for each in self.rounds)])
        return Assignment(matched.face, matched.label, matched.compensated, indices)


@dataclass(frozen=True, slots=True)
class _Round:
    """`CandidateAnchors` by anchor: C different anchors (slots), and which slot each of the P candidates is."""

    group: Tensor
    index: Tensor
    slot: Tensor  # int64 [P], of the C
    slots: Tensor  # int64 [C], rising flat indices
    need: Tensor
    column: Tensor
    proposals: int  # rounds of `deferred_acceptance`

    @classmethod
    def of(cls, found: CandidateAnchors, sequential: bool) -> _Round:
        slots, slot = torch.unique(found.index, return_inverse=True)
        proposals = rounds_needed(found.group, slot) if sequential else 0
        return cls(found.group, found.index, slot, slots, found.need, found.column, proposals)

    def to(self, device: torch.device) -> _Round:
        names = ("group", "index", "slot", "slots", "need", "column")
        return replace(self, **{name: moved(getattr(self, name), device) for name in names})  # type: ignore[arg-type]

    def sequential(self, logits: Tensor) -> Tensor:
        """Returns int64 [C]: the group that gets each slot if the groups choose in turn, -1 for none."""
        count = len(self.slots)
        chosen = deferred_acceptance(self.group, logits[self.index], self.slot, self.need, count, self.proposals)
        taker = self.slot.new_full((count,), -1)
        return taker.scatter_reduce_(0, self.slot, torch.where(chosen, self.group, -1), "amax")

    def simultaneous(self, label: Tensor, logits: Tensor) -> Tensor:
        """Returns int64 [C]: the lowest group that has each slot among its best, -1 for none."""
        wanted = rank_in_group(self.group, logits[self.index]) < self.need[self.group]
        wanted &= label[self.index] != FACE
        none = len(self.need)
        lowest = self.slot.new_full((len(self.slots),), none).scatter_reduce_(
            0, self.slot, torch.where(wanted, self.group, none), "amin"
        )
        return torch.where(lowest < none, lowest, -1)


def concatenate(candidates: Sequence[CandidateAnchors]) -> list[CandidateAnchors]:
    """Returns all candidates as those of one round, the faces of the first before those of the second; [] for []."""
    if not candidates:
        return []
    starts = accumulate((len(each.need) for each in candidates), initial=0)
    group = torch.cat([each.group + start for each, start in zip(candidates, starts, strict=False)])
    index, need, column = (
        torch.cat([getattr(each, name) for each in candidates]) for name in ("index", "need", "column")
    )
    return [CandidateAnchors(group, index, need, column)]
