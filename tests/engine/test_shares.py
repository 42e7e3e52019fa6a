"""The workers of nodes that run side by side: equal shares of what each takes most of, and nothing left idle."""

from __future__ import annotations

import pytest

from pipeline.engine.capacity import Machine
from pipeline.engine.shares import Claim, fair_shares

CORE, QUAD, ON_GPU = Machine(1, 0, 0), Machine(4, 0, 0), Machine(0, 1, 0)
TWO_OF_FOUR = (Machine(4), Machine(4))


def shares(claims: list[Claim], machines: tuple[Machine, ...]) -> list[int]:
    return [sum(each) for each in fair_shares(claims, machines)]


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ((100, 100, 100), [3, 3, 2]),
        ((100,), [8]),
        ((100, 2, 100), [3, 2, 3]),  # what one cannot use the others have
        ((100, 0, 1), [7, 0, 1]),
        ((1, 1), [1, 1]),
        ((100,) * 9, [1] * 8 + [0]),
    ],
)
def test_equal_workers_are_shared_out_equally(wishes: tuple[int, ...], expected: list[int]) -> None:
    assert shares([Claim(CORE, wish) for wish in wishes], TWO_OF_FOUR) == expected


def test_larger_workers_are_fewer_and_find_a_machine_that_is_free_for_them() -> None:
    found = fair_shares([Claim(CORE, 100), Claim(QUAD, 100)], TWO_OF_FOUR)
    assert found == [[0, 4], [1, 0]]


def test_a_share_is_of_what_a_worker_takes_most_of() -> None:
    # The example of the paper: 9 CPUs and 18 GB; 1 CPU and 4 GB against 3 CPUs and 1 GB.
    claims = [Claim(Machine(1, 0, 4), 100), Claim(Machine(3, 0, 1), 100)]
    assert shares(claims, (Machine(9, 0, 18),)) == [3, 2]


def test_workers_without_gpu_leave_machines_with_some_to_others() -> None:
    machines = (Machine(4, 2), Machine(4))
    assert fair_shares([Claim(CORE, 4), Claim(Machine(4, 1, 0), 4)], machines) == [[0, 4], [1, 0]]
    assert fair_shares([Claim(CORE, 100), Claim(ON_GPU, 4)], machines) == [[4, 4], [2, 0]]


def test_what_starts_together_comes_first_and_one_worker_of_each_other_node_follows() -> None:
    claims = [Claim(CORE, 100), Claim(CORE, 5, together=True), Claim(CORE, 100)]
    assert shares(claims, TWO_OF_FOUR) == [2, 5, 1]
    assert shares([Claim(CORE, 100), Claim(CORE, 50, together=True)], TWO_OF_FOUR) == [0, 8]


def test_without_machines_no_node_has_a_share() -> None:
    assert fair_shares([Claim(CORE, 4), Claim(QUAD, 4)], ()) == [[], []]
    assert shares([Claim(ON_GPU, 4)], TWO_OF_FOUR) == [0]
