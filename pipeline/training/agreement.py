"""Training of a ranker that reads agreement: cross entropy of "first box of a face" over the boxes of all images.

The table of a set of images is small (40 bytes a box) and 1,600 steps take seconds on one core: there is nothing to
resume and nothing to share among processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pipeline.boxes.agreement import Agreement
from pipeline.data.labelled_agreement import AgreementTable
from pipeline.models.rankers.agreement import AgreementRanker
from pipeline.training.recipes.agreement import AgreementRecipe

LOGGED: Final = 20
"""Steps between two entries of the losses; each is the mean of as many steps."""


@dataclass(frozen=True, slots=True)
class TrainedAgreement:
    """A trained ranker, and its mean loss of every `LOGGED` steps, the rest of the steps in the last entry."""

    ranker: AgreementRanker
    losses: tuple[float, ...]


def train_agreement(
    table: AgreementTable, agreement: Agreement, sets: int, recipe: AgreementRecipe
) -> TrainedAgreement:
    """Returns a trained ranker; equal arguments give equal bytes, whatever the number of threads.

    Args:
        table: boxes to learn from.
        agreement: how their numbers were made.
        sets: canvases or detectors whose candidates were read.
        recipe: see there.

    Raises:
        ValueError: no box is a hit or none is a false alarm, or no face counts; the loss is no number.
    """
    weights = box_weights(table)
    hits = int(table.hits[weights > 0].sum())
    if not 0 < hits < int((weights > 0).sum()):
        count = int((weights > 0).sum())
        raise ValueError(f"{hits} of {count} boxes that count are hits, expected some hits and some false alarms")
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        ranker = AgreementRanker(agreement, sets, recipe.width)
        features, hit_N = torch.from_numpy(table.features), torch.from_numpy(table.hits.astype(np.float32))
        ranker.standardise(features)
        losses = _fit(ranker, features, hit_N, torch.from_numpy(weights), recipe)
    if not np.isfinite(losses).all():
        raise ValueError("the loss is NaN or infinite: take a smaller recipe.learning_rate")
    means = tuple(float(np.mean(losses[start : start + LOGGED])) for start in range(0, len(losses), LOGGED))
    return TrainedAgreement(ranker.eval(), means)


def box_weights(table: AgreementTable) -> NDArray[np.float32]:
    """Returns float32 [N], mean 1: each subset's boxes weigh as much together as its faces are few.

    A box counts in a subset unless it is on a face that is ignored there, and weighs 1 by the number of faces that
    count in it: the few faces of the easy subset are worth as much together as the many of the hard one. A box on a
    face that counts nowhere weighs 0.

    Raises ValueError: no face counts in any subset, or no box in one that has faces.
    """
    known = table.faces > 0
    if not known.any():
        raise ValueError("no face counts in any subset: nothing to learn from")
    weights = (table.counted[known] / table.faces[known, None]).sum(axis=0)
    if not weights.sum() > 0:
        raise ValueError("no box counts in any subset: nothing to learn from")
    mean: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return mean


def _fit(
    ranker: AgreementRanker,
    features: torch.Tensor,
    hit_N: torch.Tensor,
    weight_N: torch.Tensor,
    recipe: AgreementRecipe,
) -> list[float]:
    """Trains a ranker in place and returns the loss of every step."""
    draws = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(ranker.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    losses = []
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        rows = torch.randint(len(hit_N), (recipe.batch,), generator=draws)
        each = functional.binary_cross_entropy_with_logits(ranker(features[rows]), hit_N[rows], reduction="none")
        loss = (each * weight_N[rows]).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


@contextmanager
def _one_thread() -> Iterator[None]:
    """Has torch compute with one thread: matrices of 64 columns gain nothing by more, and sums keep their order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
