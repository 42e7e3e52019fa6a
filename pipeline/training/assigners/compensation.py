"""Candidate anchors of faces that have too few, and how the network's scores decide between the faces (Ali-AMS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate

import torch
from torch import Tensor

from pipeline.models.transfer import to_device
from pipeline.training.assigners.assigner import StaticAssignment
from pipeline.training.assigners.assignment import FACE, Assignment, candidate_indices
from pipeline.training.assigners.faces import Predicted, require_predicted
from pipeline.training.assigners.grouped_sort import deferred_acceptance, rank_in_group, rounds_needed


@dataclass(frozen=True, slots=True)
class CandidateAnchors:
    """P candidate anchors of N faces that have too few, among C different anchors (slots).

    Attributes:
        group: int64 [P], rising: which of the N faces.
        index: int64 [P], flat index image * A + anchor, different within a face.
        need: int64 [N], how many anchors each face may take.
        column: int64 [N], of the face in the `FaceBatch`.
        slot: int64 [P], which of the slots.
        slots: int64 [C], rising flat indices.
    """

    group: Tensor
    index: Tensor
    need: Tensor
    column: Tensor
    slot: Tensor
    slots: Tensor

    @classmethod
    def of(cls, group: Tensor, index: Tensor, need: Tensor, column: Tensor) -> CandidateAnchors:
        """Returns them with their slots."""
        slots, slot = torch.unique(index, return_inverse=True)
        return cls(group, index, need, column, slot, slots)

    def to(self, device: torch.device) -> CandidateAnchors:
        """Returns them on a device."""
        return CandidateAnchors(*(to_device(getattr(self, each.name), device) for each in fields(self)))

    def sequential(self, logits: Tensor, rounds: int) -> Tensor:
        """Returns int64 [C]: the group that gets each slot if the groups choose in turn, -1 for none."""
        chosen = deferred_acceptance(self.group, logits[self.index], self.slot, self.need, len(self.slots), rounds)
        taker = torch.full_like(self.slots, -1)
        return taker.scatter_reduce_(0, self.slot, torch.where(chosen, self.group, -1), "amax")

    def simultaneous(self, label: Tensor, logits: Tensor) -> Tensor:
        """Returns int64 [C]: the lowest group that has each slot among its best, -1 for none."""
        wanted = rank_in_group(self.group, logits[self.index]) < self.need[self.group]
        wanted &= label[self.index] != FACE
        none = len(self.need)
        lowest = torch.full_like(self.slots, none)
        lowest.scatter_reduce_(0, self.slot, torch.where(wanted, self.group, none), "amin")
        return torch.where(lowest < none, lowest, -1)


@dataclass(frozen=True, slots=True)
class PartialAliAms:
    """The standard matching, and the candidates of its compensation.

    Attributes:
        matched: the standard matching; `complete` writes into it.
        candidates: compensated one after the other.
        rounds: above 0: faces choose one after the other (the paper), and this is the number of rounds of
            `deferred_acceptance`. 0: all choose at once (released code); anchors that are FACE already are dropped, and
            an anchor that several faces want goes to the face with the lowest index.
        name: of the assigner, for a message.
    """

    matched: StaticAssignment
    candidates: tuple[CandidateAnchors, ...]
    rounds: int
    name: str

    def to(self, device: torch.device) -> PartialAliAms:
        """Returns it on a device."""
        candidates = tuple(each.to(device) for each in self.candidates)
        return replace(self, matched=self.matched.to(device), candidates=candidates)

    def complete(self, predicted: Predicted | None) -> Assignment:
        """Returns the compensated matching; see `PartialAssignment`."""
        logits = require_predicted(predicted, self.name).logits.float().reshape(-1)
        matched = self.matched.complete(predicted)
        face, label, added = (each.view(-1) for each in (matched.face, matched.label, matched.compensated))
        for each in self.candidates:
            taker = each.sequential(logits, self.rounds) if self.rounds else each.simultaneous(label, logits)
            face[each.slots] = torch.where(taker >= 0, each.column[taker], face[each.slots])
            label[each.slots] = torch.where(taker >= 0, FACE, label[each.slots])
            added[each.slots] = added[each.slots] | (taker >= 0)
        return replace(matched, candidates=torch.cat([candidate_indices(matched), *(c.slots for c in self.candidates)]))


def sequential_compensation(matched: Assignment, candidates: Sequence[CandidateAnchors], name: str) -> PartialAliAms:
    """Returns the compensation in which the faces of all `candidates`, the first ones first, choose in turn."""
    if not candidates:
        return PartialAliAms(StaticAssignment(matched), (), 1, name)
    starts = accumulate((len(each.need) for each in candidates), initial=0)
    group = torch.cat([each.group + start for each, start in zip(candidates, starts, strict=False)])
    index, need, column = (
        torch.cat([getattr(each, key) for each in candidates]) for key in ("index", "need", "column")
    )
    found = CandidateAnchors.of(group, index, need, column)
    return PartialAliAms(StaticAssignment(matched), (found,), max(1, rounds_needed(group, found.slot)), name)


def simultaneous_compensation(matched: Assignment, candidates: Sequence[CandidateAnchors], name: str) -> PartialAliAms:
    """Returns the compensation in which each face takes its best, one of `candidates` after the other."""
    return PartialAliAms(StaticAssignment(matched), tuple(candidates), 0, name)
