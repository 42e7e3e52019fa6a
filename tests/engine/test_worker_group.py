"""What is computed ahead comes in order, and only a little ahead."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import pytest

from pipeline.engine.worker_group import DEPTH, Prefetch, WorkersStopped, in_threads, prefetch, run_locally


@pytest.mark.parametrize("numbers", [range(0), range(1), range(7, 40), range(3, 30, 4)])
def test_in_order(numbers: range) -> None:
    assert list(in_threads(lambda n: n * n, numbers)) == [n * n for n in numbers]


def test_in_order_even_if_the_first_is_the_slowest() -> None:
    later = threading.Event()

    def make(number: int) -> int:
        if number == 0:
            assert later.wait(10), "nothing was computed beside the first one"
        else:
            later.set()
        return number

    assert list(in_threads(make, range(3))) == [0, 1, 2]


def test_only_a_few_are_computed_ahead() -> None:
    made: list[int] = []
    stream = in_threads(lambda n: made.append(n) or n, range(1000))
    assert made == []  # not before the first is asked for
    assert list(islice(stream, 5)) == [0, 1, 2, 3, 4]
    stream.close()  # waits for the threads
    assert sorted(made) == list(range(len(made))) and 5 <= len(made) <= 5 + DEPTH


def test_endless_arguments_are_no_trouble() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert list(islice(prefetch(pool, str, count(), 2), 3)) == ["0", "1", "2"]


def test_what_is_ahead_stays_within_its_room() -> None:
    costs, computed = [1, 1, 5, 9, 1, 1, 1], list[int]()
    with ThreadPoolExecutor(1) as pool:
        stream = prefetch(pool, lambda n: computed.append(n) or n, range(7), 3, lambda n: costs[n], room=6)
        for number in range(7):
            assert next(stream) == number
            pool.submit(int).result()  # what was submitted before is done
            ahead = sum(costs[each] for each in computed if each > number)
            assert ahead <= 6 or [each for each in computed if each > number] == [3]
        assert list(stream) == []
    assert computed == list(range(7))


def test_an_error_comes_in_its_turn() -> None:
    def make(number: int) -> int:
        if number == 2:
            raise OSError(f"no number {number}")
        return number

    stream = in_threads(make, range(5))
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(OSError, match="no number 2"):
        next(stream)


def test_alone_runs_it_here_and_returns_what_it_returned() -> None:
    def function(stream: Prefetch) -> tuple[int, list[int]]:
        return threading.get_ident(), list(stream(lambda n: n + 1, range(3)))

    assert run_locally(function) == (threading.get_ident(), [1, 2, 3])


def test_errors_reach_the_caller() -> None:
    def function(stream: Prefetch) -> None:
        raise WorkersStopped("too many bad images")

    with pytest.raises(WorkersStopped, match="too many bad images"):
        run_locally(function)


def test_a_plan_needs_neither_torch_nor_ray() -> None:
    code = "import sys, pipeline.engine.worker_group; print(sorted({'torch', 'ray', 'numpy'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
