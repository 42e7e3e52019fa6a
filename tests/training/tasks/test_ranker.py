"""The loss of a batch is that of scores plus residual, in parts and among processes too; training puts boxes in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.ranker import Ranker
from pipeline.training.data.batch import RankerBatch
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.trainer import Trainer, TrainingError
from pipeline.training.losses.ranker import ranker_loss
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.ranker import RankerTask
from tests.training.gradients import gradient_of, part_of
from tests.training.in_memory import RankedInMemory, ranked_squares
from tests.training.plain_loop import losses_of, normalised, plain_loop

ROWS = 50
RECIPE = RankerRecipe(steps=6, batch=4, crop=64, num_candidates=ROWS, pairs=3, learning_rate=3e-3, final_rate=1e-3)
SQUARES = RankedInMemory(ranked_squares(rows=ROWS))
NAMES = ("crface_mobilenet", "roi_mobilenet")


def task_of(recipe: RankerRecipe) -> RankerTask:
    return RankerTask("", recipe)


TASK = task_of(RECIPE)


def ranker_of(name: str, seed: int = 0) -> Ranker:
    torch.manual_seed(seed)
    return RANKERS[name].build(num_candidates=ROWS)


def random_ranker(name: str) -> Ranker:
    """A ranker in double precision whose last layers, initially zero, are random."""
    ranker = ranker_of(name).eval().double()
    for parameter in ranker.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return ranker


def batch_for(ranker: Ranker, step: int = 0, batch: int = 4) -> RankerBatch:
    return normalised(BatchSampler(SQUARES, batch, 1, (64,)), ranker.normalisation)(step)


@pytest.mark.parametrize("loss", ["rank", "smooth_l1"])
def test_the_loss_is_that_of_scores_plus_residual(loss: Any) -> None:
    ranker, recipe = random_ranker("crface_mobilenet"), replace(RECIPE, loss=loss)
    batch = batch_for(ranker)
    residual = ranker(batch.images.double(), batch.tables.double(), batch.valid)
    assert residual.abs().max() > 1e-3
    found = losses_of(task_of(recipe), ranker, batch)
    wanted = ranker_loss(batch.tables[..., 4].double() + residual, batch.truths.double(), batch.valid, recipe)
    assert found.total.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert {name: value.item() for name, value in found.terms.items()} == {loss: found.total.item()}


@pytest.mark.parametrize("loss", ["rank", "l2"])
def test_the_boxes_of_a_batch_are_one_list_where_asked_for(loss: Any) -> None:
    ranker, recipe = random_ranker("crface_mobilenet"), replace(RECIPE, loss=loss, compare_within="batch")
    batch = batch_for(ranker)
    residual = ranker(batch.images.double(), batch.tables.double(), batch.valid)
    rows = sorted(
        (-batch.tables[image, row, 4].item(), image, row)
        for image, count in enumerate(batch.valid.tolist())
        for row in range(count)
    )
    at = tuple(torch.tensor([row[1:] for row in rows]).T)
    refined = (batch.tables[..., 4].double() + residual)[at][None]
    wanted = ranker_loss(refined, batch.truths.double()[at][None], torch.tensor([len(rows)]), recipe)
    assert losses_of(task_of(recipe), ranker, batch).total.item() == pytest.approx(wanted.item(), rel=1e-6)


def test_single_boxes_have_a_loss_only_within_a_batch() -> None:
    ranker = random_ranker("crface_mobilenet")
    batch = replace(batch_for(ranker), valid=torch.ones(4, dtype=torch.int64))
    assert losses_of(TASK, ranker, batch).total.item() == 0
    assert losses_of(task_of(replace(RECIPE, compare_within="batch")), ranker, batch).total.item() > 0


@pytest.mark.parametrize("offsets", ["all", "ends"])
def test_pairs_are_counted_before_and_after(offsets: Any) -> None:
    ranker, recipe = random_ranker("crface_mobilenet"), replace(RECIPE, offsets=offsets)
    batch = batch_for(ranker)
    with torch.no_grad():
        task = task_of(recipe)
        residual = task.forward(ranker, batch)
        found = task.loss(ranker, residual, batch)
    refined = batch.tables[..., 4].double() + residual
    counts = [0, 0, 0]
    for image in range(4):
        for first in range(ROWS):
            for second in (first + k for k in ((1, 2, 3) if offsets == "all" else (1, 3))):
                if second >= int(batch.valid[image]) or batch.truths[image, first] == batch.truths[image, second]:
                    continue
                better = bool(batch.truths[image, first] > batch.truths[image, second])
                leads = bool(refined[image, first] >= refined[image, second])
                counts = [counts[0] + 1, counts[1] + (better == leads), counts[2] + better]
    assert [int(each) for each in found.counts.values()] == counts
    assert list(found.counts) == ["pairs", "ordered", "ordered_before"]
    assert 0 < counts[1] != counts[2]


@pytest.mark.parametrize("name", NAMES)
def test_at_first_nothing_is_refined(name: str) -> None:
    ranker = ranker_of(name).eval()
    batch = batch_for(ranker)
    found = losses_of(TASK, ranker, batch)
    assert found.total.item() == pytest.approx(
        ranker_loss(batch.tables[..., 4], batch.truths, batch.valid, RECIPE).item(), rel=1e-6
    )
    assert found.counts["ordered"] == found.counts["ordered_before"] > 0


@pytest.mark.parametrize(("name", "count", "parts"), [("crface_mobilenet", 4, 2), ("roi_mobilenet", 3, 2)])
def test_parts_equal_the_whole(name: str, count: int, parts: int) -> None:
    ranker = random_ranker(name)
    batch = batch_for(ranker, batch=count)
    whole, wanted = gradient_of(TASK, ranker, batch)
    pieces, found = gradient_of(TASK, ranker, batch, parts=parts)
    assert pieces.total.item() == pytest.approx(whole.total.item(), rel=1e-12)
    assert wanted.norm() > 0
    assert (found - wanted).norm() < 1e-9 * wanted.norm()


def test_processes_that_average_their_gradients_equal_one() -> None:
    """However unevenly the images are shared: each divides by the number of all."""
    ranker = random_ranker("crface_mobilenet")
    batch = batch_for(ranker)
    whole, wanted = gradient_of(TASK, ranker, batch)
    shares = [
        gradient_of(TASK, ranker, part_of(batch, half), normalise=lambda own: torch.full_like(own, 4.0), scale=2.0)
        for half in (slice(0, 3), slice(3, 4))
    ]
    assert sum(share.total.item() for share, _ in shares) == pytest.approx(whole.total.item(), rel=1e-6)
    assert ((shares[0][1] + shares[1][1]) / 2 - wanted).norm() < 1e-6 * wanted.norm()


def test_half_precision_gives_a_float32_answer_close_by() -> None:
    ranker = random_ranker("crface_mobilenet").float()
    batch = batch_for(ranker)
    with torch.no_grad():
        exact, rough = (TASK.forward(ranker, batch, bf16=on) for on in (False, True))
    assert rough.dtype == torch.float32
    assert 0 < (exact - rough).abs().max() < 0.2 * exact.abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_boxes_are_put_in_order(name: str) -> None:
    ranker = ranker_of(name)
    batches = normalised(BatchSampler(SQUARES, 8, 1, (64,)), ranker.normalisation)
    recipe = replace(RECIPE, batch=8, steps=12, learning_rate=1e-2, final_rate=3e-3)
    history = plain_loop(task_of(recipe), ranker, batches)
    assert history.losses["total"][-1] < 0.95 * history.losses["total"][0]
    np.testing.assert_array_equal(history.losses["rank"], history.losses["total"])
    assert history.rates[0] == np.float32(1e-2) and history.rates[-1] < 4e-3
    assert not ranker.training


@pytest.mark.parametrize("name", NAMES)
def test_what_is_computed_again_changes_no_byte(name: str) -> None:
    came_out = []
    for checkpointed in (False, True):
        ranker = ranker_of(name)
        ranker.checkpointed = checkpointed
        recipe = replace(RECIPE, steps=2)
        plain_loop(task_of(recipe), ranker, lambda step, of=ranker: batch_for(of, step))
        came_out.append(b"".join(value.numpy().tobytes() for value in ranker.state_dict().values()))
    assert came_out[0] == came_out[1]


@pytest.mark.parametrize("name", NAMES)
def test_images_without_boxes_teach_nothing_and_do_no_harm(name: str) -> None:
    ranker = random_ranker(name)
    batch = batch_for(ranker)
    empty = replace(batch, tables=batch.tables * 0, truths=batch.truths * 0, valid=batch.valid * 0)
    losses, gradient = gradient_of(TASK, ranker, empty)
    assert losses.total == 0
    assert gradient.norm() == 0
    assert [int(each) for each in losses.counts.values()] == [0, 0, 0]


def test_outputs_that_are_not_finite_name_step_and_images() -> None:
    ranker = ranker_of("crface_mobilenet").train()
    trainer, batch = Trainer(TASK, ranker), batch_for(ranker)
    with pytest.raises(TrainingError, match=r"the loss of step 0 is not finite \(rank nan, total nan\)") as caught:
        trainer.begin(replace(batch, images=batch.images * float("nan"))).read()
    assert all(name in str(caught.value) for name in batch.image_ids)


def test_equal_refined_scores_keep_the_order_of_their_rows() -> None:
    """As a stable sort leaves them in the output: the first row leads."""
    ranker = ranker_of("roi_mobilenet").eval()
    batch = batch_for(ranker)
    level = -batch.tables[..., 4]
    found = TASK.loss(ranker, level, batch)
    assert found.counts["ordered"] == found.counts["ordered_before"] > 0


@pytest.mark.slow
def test_a_compiled_network_answers_the_same() -> None:
    ranker = ranker_of("crface_mobilenet").train()
    plain = TASK.forward(ranker, batch_for(ranker))
    compiled = TASK.forward(ranker, batch_for(ranker), network=torch.compile(ranker, backend="eager"))
    torch.testing.assert_close(compiled, plain)
