"""Sorting and choosing within groups of candidates, without loops over the groups."""

from __future__ import annotations

import torch
from torch import Tensor

_INDEX = (1 << 32) - 1


def sortable_bits(values: Tensor) -> Tensor:
    """Returns int64 [...] that order like float32 `values` (no NaN), each within a signed 32-bit range."""
    # Adding zero turns -0 into 0, which would otherwise rank below it.
    bits = (values.float() + 0.0).view(torch.int32)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()


def k_smallest(cost_GN: Tensor, index_GN: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Returns the k lowest costs of each row, float32 [G, k], with their indices, int64 [G, k]; ties by rising index.

    Args:
        cost_GN: float32 [G, N].
        index_GN: int64 [G, N], or [N] for all rows; below 2^32, different within a row.
        k: how many; all N where there are fewer.
    """
    # (cost, index) in one integer instead of two stable sorts.
    key = ((sortable_bits(cost_GN) << 32) | index_GN).topk(min(k, cost_GN.shape[1]), dim=1, largest=False).values
    bits = (key >> 32).int()
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).view(torch.float32), key & _INDEX


def rank_in_group(group: Tensor, score: Tensor) -> Tensor:
    """Returns int64 [P]: how many candidates of the same group precede each one (higher score, then earlier position).

    Example: groups (0, 0, 1, 0) with scores (1, 3, 9, 3) rank (2, 0, 0, 1).

    Args:
        group: int64 [P], at least 0.
        score: float32 [P].
    """
    order = _by_group_then_score(group, score)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - _first_of_group(group[order])
    return rank


def best_of_group(group: Tensor, value: Tensor, item: Tensor, groups: int) -> Tensor:
    """Returns int64 [groups]: the item with the highest value of each group, ties to the lowest item; -1 without one.

    Args:
        group: int64 [P], in 0 .. groups - 1.
        value: float32 [P]; an item below 0 is never the best.
        item: int64 [P], below 2^31; different within a group.
        groups: number of groups.
    """
    key = (sortable_bits(value) << 32) | (0x7FFFFFFF - item)
    best = key.new_full((groups,), -1).scatter_reduce_(0, group, key, "amax")
    return torch.where(best < 0, -1, 0x7FFFFFFF - (best & _INDEX))


def deferred_acceptance(group: Tensor, score: Tensor, slot: Tensor, wanted: Tensor, slots: int, rounds: int) -> Tensor:
    """Returns bool [P]: the candidates that each group gets if the groups choose in order of their number.

    Each takes its `wanted` best candidates among the slots that no earlier group has taken. Computed for all at once:
    every group proposes to its best slots; a slot accepts the lowest group that proposes and is closed to all later
    ones; a refused group proposes to its next. Where all slots prefer groups in the same order, the result is that of
    choosing in turn (Gale and Shapley, 1962).

    Args:
        group: int64 [P].
        score: float32 [P]; equal scores by order of the candidates.
        slot: int64 [P], in 0 .. slots - 1, different within a group.
        wanted: int64 [groups], how many each may take.
        slots: number of slots.
        rounds: at least `rounds_needed(group, slot)`, so that the host need not ask whether a group was refused.
    """
    order = _by_group_then_score(group, score)
    group_P, slot_P = group[order], slot[order]
    first_P, wanted_P = _first_of_group(group_P), wanted[group_P]
    open_P = torch.ones_like(group_P, dtype=torch.bool)
    proposed = torch.zeros_like(open_P)
    for _ in range(rounds):
        ahead = torch.cumsum(open_P.long(), dim=0) - open_P.long()
        proposed = open_P & (ahead - ahead[first_P] < wanted_P)
        holder = group_P.new_full((slots,), len(wanted))
        holder.scatter_reduce_(0, slot_P, torch.where(proposed, group_P, len(wanted)), "amin")
        # A slot changes to earlier groups only: to all groups after its holder it is lost.
        open_P = open_P & (holder[slot_P] >= group_P)
    chosen = torch.zeros_like(proposed)
    chosen[order] = proposed
    return chosen


def rounds_needed(group: Tensor, slot: Tensor) -> int:
    """Returns the most rounds that `deferred_acceptance` needs: the longest chain of groups that share slots.

    A group whose candidates no earlier group has is served in the first round, one that shares only with such groups
    in the second at the latest, and so on. Example: of three faces in a row the first shares anchors with the second
    and that one with the third: 3; three faces far apart: 1.

    Args:
        group: int64 [P], on the host.
        slot: int64 [P], different within a group.
    """
    if not len(group):
        return 0
    order = torch.sort((slot << 32) | group).indices
    slot_P, group_P = slot[order], group[order]
    same = slot_P[1:] == slot_P[:-1]
    before, after = group_P[:-1][same], group_P[1:][same]
    depth = torch.ones(int(group.max()) + 1, dtype=torch.int64, device=group.device)
    while True:
        deeper = depth.scatter_reduce(0, after, depth[before] + 1, "amax")
        if torch.equal(deeper, depth):
            return int(depth.max())
        depth = deeper


def _by_group_then_score(group: Tensor, score: Tensor) -> Tensor:
    return torch.sort((group << 32) - sortable_bits(score), stable=True).indices


def _first_of_group(group: Tensor) -> Tensor:
    """Returns int64 [P], the position at which each element's run of equal numbers begins; `group` [P] rises."""
    begins = torch.ones_like(group, dtype=torch.bool)
    begins[1:] = group[1:] != group[:-1]
    position = torch.arange(len(group), device=group.device)
    return torch.cummax(torch.where(begins, position, 0), dim=0).values if len(group) else position
