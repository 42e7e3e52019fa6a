"""Who comes first: the rank of each candidate in its group, and which claim to an anchor prevails."""

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
    """Returns the k lowest costs of each row with their indices, equal costs by rising index.

    Args:
        cost_GN: float32 [G, N].
        index_GN: int64 [G, N], below 2^32, different within a row.
        k: how many; all N where there are fewer.

    Returns:
        costs float32 [G, k] and indices int64 [G, k].
    """
    # One sort of (cost, index) in one integer instead of two stable ones.
    key = torch.sort((sortable_bits(cost_GN) << 32) | index_GN, dim=1).values[:, :k]
    bits = (key >> 32).int()
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).view(torch.float32), key & _INDEX


def rank_in_group(group: Tensor, score: Tensor) -> Tensor:
    """Returns int64 [P]: how many candidates of the same group go before each one (higher score, then earlier place).

    Example: groups (0, 0, 1, 0) with scores (1, 3, 9, 3) rank (2, 0, 0, 1).

    Args:
        group: int64 [P], at least 0.
        score: float32 [P].
    """
    order = _by_group_then_score(group, score)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - _first_of_group(group[order])
    return rank


def is_best_of_group(place: Tensor, value: Tensor, rival: Tensor, places: int) -> Tensor:
    """Returns bool [P]: whether each claim has the highest value at its place, equal values to the lowest rival.

    Args:
        place: int64 [P], what is claimed, in 0 .. places - 1.
        value: float32 [P]; a claim below 0 never prevails.
        rival: int64 [P], who claims, below 2^31; different among the claims of a place.
        places: number of places.
    """
    key = (sortable_bits(value) << 32) | (0x7FFFFFFF - rival)
    best = key.new_full((places,), -1).scatter_reduce_(0, place, key, "amax")
    return best[place] == key


def deferred_acceptance(
    group: Tensor, score: Tensor, place: Tensor, wanted: Tensor, places: int, rounds: int
) -> Tensor:
    """Returns bool [P]: what each group gets if the groups choose one after the other, in order of their number.

    Each takes its `wanted` best candidates among those whose place no earlier group has taken. Computed for all at
    once: every group asks for its best, a place goes to the lowest group that asks for it and is closed to all after
    it, who is refused asks for the next. Groups that all places rank alike end up exactly as if they had chosen in
    turn (Gale and Shapley, 1962).

    Args:
        group: int64 [P].
        score: float32 [P]; equal scores by order of the candidates.
        place: int64 [P], in 0 .. places - 1, different within a group.
        wanted: int64 [groups], how many each may take.
        places: number of places.
        rounds: at least `rounds_needed(group, place)`, so that nobody need look whether somebody was refused.
    """
    order = _by_group_then_score(group, score)
    group_P, place_P = group[order], place[order]
    first_P, wanted_P = _first_of_group(group_P), wanted[group_P]
    open_P = torch.ones_like(group_P, dtype=torch.bool)
    asking = torch.zeros_like(open_P)
    for _ in range(rounds):
        ahead = torch.cumsum(open_P.long(), dim=0) - open_P.long()
        asking = open_P & (ahead - ahead[first_P] < wanted_P)
        holder = group_P.new_full((places,), len(wanted))
        holder.scatter_reduce_(0, place_P, torch.where(asking, group_P, len(wanted)), "amin")
        # Nobody gives up a place but to an earlier group: to all after its holder it is lost.
        open_P = open_P & (holder[place_P] >= group_P)
    served = torch.zeros_like(asking)
    served[order] = asking
    return served


def rounds_needed(group: Tensor, place: Tensor) -> int:
    """Returns how many rounds `deferred_acceptance` needs at most: the longest chain of groups, each after one it disturbs.

    A group whose candidates no earlier group wants as well is served in the first round, one that only such groups
    can disturb in the second at the latest, and so on. Example: of three faces in a row the first shares anchors with
    the second and that one with the third: 3; three faces far apart: 1.

    Args:
        group: int64 [P], on the host.
        place: int64 [P], different within a group.
    """
    if not len(group):
        return 0
    order = torch.sort((place << 32) | group).indices
    place_P, group_P = place[order], group[order]
    same = place_P[1:] == place_P[:-1]
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
    """Returns int64 [P], where the run of equal numbers begins that each of the rising numbers [P] belongs to."""
    begins = torch.ones_like(group, dtype=torch.bool)
    begins[1:] = group[1:] != group[:-1]
    place = torch.arange(len(group), device=group.device)
    return torch.cummax(torch.where(begins, place, 0), dim=0).values if len(group) else place
