"""A step's numbers keep their names and forms on the way from the device; what is not finite is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from pipeline.training.loop.step import PendingStep, Step, StepNumbers, TrainingError
from pipeline.training.tasks.task import no_reduction


@dataclass(frozen=True)
class Made:
    """Two terms, a number and three numbers that they were made of."""

    terms: Mapping[str, Tensor]
    total: Tensor
    counts: Mapping[str, Tensor]


def _told(box: float = 0.5, times: int = 1) -> StepNumbers:
    terms = {"box": torch.tensor(box), "face": torch.tensor(0.25)}
    counts = {"positives": torch.tensor(7), "of_level": torch.tensor([1, 2, 4])}
    losses = Made(terms, terms["box"] + terms["face"], counts)
    return StepNumbers.of(losses, no_reduction if times == 1 else lambda values: values * times, (3.0, 0.0))


def test_names_and_forms_are_kept() -> None:
    pending = PendingStep(4, ("a", "b"), 0.1, torch.tensor(2.0), _told())
    counts = {"positives": 7, "of_level": [1, 2, 4]}
    assert pending.read() == Step({"box": 0.5, "face": 0.25, "total": 0.75}, 0.1, 2.0, counts, (3.0, 0.0))
    assert pending.number == 4


def test_all_of_it_is_summed_but_the_norm() -> None:
    done = PendingStep(0, (), 0.1, torch.tensor(2.0), _told(times=2)).read()
    assert done.losses["total"] == 1.5 and done.counts["of_level"] == [2, 4, 8] and done.aside == (6.0, 0.0)
    assert done.gradient_norm == 2


@pytest.mark.parametrize(
    ("box", "norm", "said"),
    [
        (float("nan"), 1.0, r"the loss of step 4 is not finite \(box nan, face 0.25, total nan\); its images: a, b; "),
        (float("inf"), float("nan"), r"the loss of step 4 is not finite \(box inf"),
        (0.5, float("inf"), r"the gradient of step 4 is not finite \(norm inf\); its images: a, b; look at their"),
    ],
)
def test_what_is_no_number_is_named(box: float, norm: float, said: str) -> None:
    told = _told(box)
    assert not told.finite(torch.tensor(norm))
    with pytest.raises(TrainingError, match=said):
        PendingStep(4, ("a", "b"), 0.1, torch.tensor(norm), told).read()
    assert _told().finite(torch.tensor(1.0))
