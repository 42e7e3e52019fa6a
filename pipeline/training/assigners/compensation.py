"""What Ali-AMS may give to faces with few anchors, and how the network's scores decide who gets what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pipeline.models.transfer import moved
from pipeline.training.assigners.assignment import FACE, Assignment, candidate_indices
from pipeline.training.assigners.faces import Predicted, require_predicted
from pipeline.training.assigners.grouped_sort import deferred_acceptance, rank_in_group, rounds_needed
from pipeline.training.assigners.partial import StaticAssignment


@dataclass(frozen=True, slots=True)
class CandidateAnchors:
    """P candidates of N faces that lack anchors.

    Attributes:
        who: int64 [P], rising, in 0 .. N - 1.
        place: int64 [P], image * A + anchor, different within a face.
        need: int64 [N], how many anchors each face may take.
        index: int64 [N], column of the face in the `FaceBatch`.
    """

    who: Tensor
    place: Tensor
    need: Tensor
    index: Tensor


@dataclass(frozen=True, slots=True)
class PartialAliAms:
    """The standard matching, and what may be added to it, in offers settled one after the other.

    Attributes:
        matched: the standard matching.
        claims: what comes of each offer.
        in_turn: faces choose in order of their index, among what those before have left; else each takes its best,
            and what is taken already it does without, the lowest face first where several want the same.
        name: of the assigner, for a message.
    """

    matched: StaticAssignment
    claims: tuple[_Claims, ...]
    in_turn: bool
    name: str

    @classmethod
    def of(cls, matched: Assignment, offers: Sequence[CandidateAnchors], name: str, *, in_turn: bool) -> PartialAliAms:
        """Returns the plan.

        Args:
            matched: the standard matching; written into when the plan is settled.
            offers: in their order.
            name: see the class.
            in_turn: see the class.
        """
        return cls(StaticAssignment(matched), tuple(_Claims.of(each, in_turn) for each in offers), in_turn, name)

    def to(self, device: torch.device) -> PartialAliAms:
        """Returns it on a device."""
        return PartialAliAms(
            self.matched.to(device), tuple(each.to(device) for each in self.claims), self.in_turn, self.name
        )

    @torch.no_grad()
    def complete(self, predicted: Predicted | None) -> Assignment:
        """Returns the compensated matching; see `PartialAssignment`."""
        logits = require_predicted(predicted, self.name).logits.float().reshape(-1)
        matched = self.matched.complete(predicted)
        face, label, added = (each.view(-1) for each in (matched.face, matched.label, matched.compensated))
        for each in self.claims:
            taker = each.served(logits) if self.in_turn else each.taken(label, logits)
            face[each.claimed] = torch.where(taker >= 0, each.index[taker], face[each.claimed])
            label[each.claimed] = torch.where(taker >= 0, FACE, label[each.claimed])
            added[each.claimed] = added[each.claimed] | (taker >= 0)
        places = torch.cat([candidate_indices(matched), *(each.claimed for each in self.claims)])
        return Assignment(matched.face, matched.label, matched.compensated, places)


@dataclass(frozen=True, slots=True)
class _Claims:
    """An offer by place: the C places that somebody may take, once each, and who of the P candidates wants which."""

    who: Tensor
    place: Tensor
    slot: Tensor  # int64 [P], of the C
    claimed: Tensor  # int64 [C], rising
    need: Tensor
    index: Tensor
    rounds: int  # of `deferred_acceptance`

    @classmethod
    def of(cls, offer: CandidateAnchors, in_turn: bool) -> _Claims:
        claimed, slot = torch.unique(offer.place, return_inverse=True)
        rounds = rounds_needed(offer.who, slot) if in_turn else 0
        return cls(offer.who, offer.place, slot, claimed, offer.need, offer.index, rounds)

    def to(self, device: torch.device) -> _Claims:
        names = ("who", "place", "slot", "claimed", "need", "index")
        return replace(self, **{name: moved(getattr(self, name), device) for name in names})  # type: ignore[arg-type]

    def served(self, logits: Tensor) -> Tensor:
        """Returns int64 [C]: who gets each place where the faces choose in turn, -1 for nobody."""
        count = len(self.claimed)
        chosen = deferred_acceptance(self.who, logits[self.place], self.slot, self.need, count, self.rounds)
        return self.slot.new_full((count,), -1).scatter_reduce_(0, self.slot, torch.where(chosen, self.who, -1), "amax")

    def taken(self, label: Tensor, logits: Tensor) -> Tensor:
        """Returns int64 [C]: who gets each place where each takes its best, the lowest of several; -1 for nobody."""
        wanted = rank_in_group(self.who, logits[self.place]) < self.need[self.who]
        wanted &= label[self.place] != FACE
        nobody = len(self.need)
        lowest = self.slot.new_full((len(self.claimed),), nobody).scatter_reduce_(
            0, self.slot, torch.where(wanted, self.who, nobody), "amin"
        )
        return torch.where(lowest < nobody, lowest, -1)


def joined(offers: Sequence[CandidateAnchors]) -> list[CandidateAnchors]:
    """Returns several offers as one, the faces of the first before those of the second; none of none."""
    if not offers:
        return []
    starts = [0]
    for each in offers:
        starts.append(starts[-1] + len(each.need))
    who = torch.cat([each.who + start for each, start in zip(offers, starts, strict=False)])
    place, need, index = (torch.cat([getattr(each, name) for each in offers]) for name in ("place", "need", "index"))
    return [CandidateAnchors(who, place, need, index)]
