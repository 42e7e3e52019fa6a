"""Ranks, group maxima and deferred acceptance against loops."""

from __future__ import annotations

import torch

from pipeline.training.assigners.grouped_sort import (
    best_of_group,
    deferred_acceptance,
    k_smallest,
    rank_in_group,
    rounds_needed,
    sortable_bits,
)


def test_bits_order_like_the_numbers() -> None:
    values = torch.tensor([-torch.inf, -3e38, -1.5, -1e-40, -0.0, 0.0, 1e-40, 1.5, 3e38, torch.inf])
    assert (sortable_bits(values).diff() >= 0).all()
    assert sortable_bits(values)[4] == sortable_bits(values)[5]
    assert len(sortable_bits(values).unique()) == 9


def test_cheapest_first() -> None:
    cost = torch.tensor([[2.0, -1.0, 2.0, 0.0], [5.0, 5.0, 5.0, 5.0]])
    index = torch.tensor([[9, 3, 4, 1], [8, 2, 6, 4]])
    values, indices = k_smallest(cost, index, 3)
    assert indices.tolist() == [[3, 1, 4], [2, 4, 6]]
    assert values.tolist() == [[-1, 0, 2], [5, 5, 5]]


def test_worked_example_of_ranks() -> None:
    rank = rank_in_group(torch.tensor([0, 0, 1, 0, 1]), torch.tensor([1.0, 3.0, -9.0, 1.0, -8.0]))
    assert rank.tolist() == [1, 0, 1, 2, 0]


def test_the_highest_value_of_a_group() -> None:
    group, value = torch.tensor([4, 4, 2, 4]), torch.tensor([0.5, 0.7, 0.1, 0.7])
    assert best_of_group(group, value, torch.tensor([0, 5, 9, 3]), 6).tolist() == [-1, -1, 9, -1, 3, -1]
    assert best_of_group(group, -value, torch.tensor([0, 5, 9, 3]), 6).tolist() == [-1] * 6


def test_deferred_acceptance_equals_choosing_in_turn() -> None:
    for seed in range(40):
        g = torch.Generator().manual_seed(seed)
        asks = torch.nonzero(torch.rand(8, 15, generator=g) < 0.6)
        group, slot = asks.T
        score = torch.randint(0, 6, (len(asks),), generator=g).float()
        wanted = torch.randint(0, 6, (8,), generator=g)
        got = deferred_acceptance(group, score, slot, wanted, 15, rounds_needed(group, slot))
        taken: set[int] = set()
        expected = []
        for number in range(8):
            mine = [i for i in range(len(asks)) if group[i] == number and int(slot[i]) not in taken]
            mine = sorted(mine, key=lambda i: (-score[i].item(), i))[: int(wanted[number])]
            taken |= {int(slot[i]) for i in mine}
            expected += mine
        assert torch.nonzero(got).flatten().tolist() == sorted(expected)


def test_no_candidates() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert len(deferred_acceptance(none, torch.zeros(0), none, torch.tensor([2, 1]), 4, rounds_needed(none, none))) == 0


def test_rounds_are_the_longest_chain_of_groups_that_share_slots() -> None:
    # 0 and 1 share slot 5, 1 and 2 share slot 6, 3 is on its own, 4 shares 5 with the first two and 6 with none.
    group = torch.tensor([0, 0, 1, 1, 2, 3, 4])
    slot = torch.tensor([1, 5, 5, 6, 6, 9, 5])
    assert rounds_needed(group, slot) == 3
    assert rounds_needed(group[:2], slot[:2]) == 1
    assert rounds_needed(torch.tensor([0, 7]), torch.tensor([2, 2])) == 2


def test_a_round_less_than_the_chain_is_not_always_enough() -> None:
    # Each wants most what the one before takes: the last one learns in the third round what is left.
    group, slot = torch.tensor([0, 1, 1, 2, 2]), torch.tensor([0, 0, 1, 1, 2])
    score, wanted = torch.tensor([9.0, 9.0, 5.0, 9.0, 5.0]), torch.ones(3, dtype=torch.int64)
    assert rounds_needed(group, slot) == 3
    assert deferred_acceptance(group, score, slot, wanted, 3, 3).tolist() == [True, False, True, False, True]
    assert deferred_acceptance(group, score, slot, wanted, 3, 2).tolist() != [True, False, True, False, True]
