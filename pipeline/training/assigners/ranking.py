"""Who comes first: the rank of each candidate in its group, and which claim to an anchor prevails."""

from __future__ import annotations

import torch
from torch import Tensor

_INDEX = (1 << 32) - 1


def rising_bits(values: Tensor) -> Tensor:
    """Returns int64 [...] that order like float32 `values` (no NaN), each within a signed 32-bit range."""
    # Adding zero turns -0 into 0, which would otherwise rank below it.
    bits = (values.float() + 0.0).view(torch.int32)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()


def sorted_cheapest_first(cost_GN: Tensor, index_GN: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Returns the k lowest costs of each row with their indices, equal costs by rising index.

    Args:
        cost_GN: float32 [G, N].
        index_GN: int64 [G, N], below 2^32, different within a row.
        k: how many; all N where there are fewer.

    Returns:
        costs float32 [G, k] and indices int64 [G, k].
    """
    # One sort of (cost, index) in one integer instead of two stable ones.
    key = torch.sort((rising_bits(cost_GN) << 32) | index_GN, dim=1).values[:, :k]
    bits = (key >> 32).int()
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).view(torch.float32), key & _INDEX


def rank_in_group(group: Tensor, score: Tensor, groups: int) -> Tensor:
    """Returns int64 [P]: how many candidates of the same group go before each one (higher score, then earlier place).

    Example: groups (0, 0, 1, 0) with scores (1, 3, 9, 3) rank (2, 0, 0, 1).

    Args:
        group: int64 [P], in 0 .. groups - 1.
        score: float32 [P].
        groups: number of groups.
    """
    order = torch.sort((group << 32) - rising_bits(score), stable=True).indices
    sizes = torch.bincount(group, minlength=groups)
    first = torch.cumsum(sizes, dim=0) - sizes
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - first[group[order]]
    return rank


def prevailing(place: Tensor, value: Tensor, rival: Tensor, places: int) -> Tensor:
    """Returns bool [P]: whether each claim has the highest value at its place, equal values to the lowest rival.

    Args:
        place: int64 [P], what is claimed, in 0 .. places - 1.
        value: float32 [P], at least 0.
        rival: int64 [P], who claims, below 2^31; different among the claims of a place.
        places: number of places.
    """
    key = (rising_bits(value) << 32) | (0x7FFFFFFF - rival)
    best = key.new_full((places,), -1).scatter_reduce_(0, place, key, "amax")
    return best[place] == key


def served_in_turn(group: Tensor, score: Tensor, place: Tensor, wanted: Tensor, places: int) -> Tensor:
    """Returns bool [P]: what each group gets if the groups choose one after the other, in order of their number.

    Each takes its `wanted` best candidates among those whose place no earlier group has taken. Computed for all at
    once: every group asks for its best, a place goes to the lowest group that asks for it, who is refused asks for
    the next. Groups that all places rank alike end up exactly as if they had chosen in turn (Gale and Shapley, 1962),
    usually after two or three rounds.

    Args:
        group: int64 [P].
        score: float32 [P]; equal scores by order of the candidates.
        place: int64 [P], in 0 .. places - 1, different within a group.
        wanted: int64 [groups], how many each may take.
        places: number of places.
    """
    order = torch.sort((group << 32) - rising_bits(score), stable=True).indices
    group_P, place_P = group[order], place[order]
    sizes = torch.bincount(group, minlength=len(wanted))
    first_P = (torch.cumsum(sizes, dim=0) - sizes)[group_P]
    open_P = torch.ones_like(group_P, dtype=torch.bool)
    asking = open_P
    while len(group_P):
        ahead = torch.cumsum(open_P.long(), dim=0) - open_P.long()
        asking = open_P & (ahead - ahead[first_P] < wanted[group_P])
        holder = group_P.new_full((places,), len(wanted))
        holder.scatter_reduce_(0, place_P, torch.where(asking, group_P, len(wanted)), "amin")
        refused = asking & (holder[place_P] != group_P)
        if not bool(refused.any()):
            break
        open_P = open_P & ~refused
    served = torch.zeros_like(asking)
    served[order] = asking
    return served
