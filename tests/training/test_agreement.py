from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.boxes.agreement import FEATURES, LOGIT, Agreement
from pipeline.data.labelled_agreement import AgreementTable
from pipeline.models.rankers.agreement import save_agreement
from pipeline.training.agreement import LOGGED, box_weights, train_agreement
from pipeline.training.recipes.agreement import AgreementRecipe

FEW = AgreementRecipe(steps=200, batch=64, weight_decay=0.01, width=16)


def drawn(count: int = 400, seed: int = 0) -> AgreementTable:
    """Boxes whose score says nothing and whose `count` says all."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, len(FEATURES))).astype(np.float32)
    hits = features[:, FEATURES.index("count")] > 0.3
    return AgreementTable(features, hits, np.ones((3, count), bool), np.array([20, 40, 80]))


def test_it_learns_what_the_score_does_not_say() -> None:
    table, unseen = drawn(), drawn(seed=1)
    trained = train_agreement(table, Agreement(), 2, FEW)
    assert trained.losses[-1] < 0.4 * trained.losses[0]
    with torch.no_grad():
        refined = trained.ranker(torch.from_numpy(unseen.features)).numpy()
    apart = [np.subtract.outer(x[unseen.hits], x[~unseen.hits]) for x in (unseen.features[:, LOGIT], refined)]
    before, after = ((each > 0).mean() for each in apart)
    assert before < 0.6 and after > 0.95


def test_equal_arguments_give_equal_bytes_whatever_the_threads_and_the_process_had_drawn() -> None:
    table, threads = drawn(), torch.get_num_threads()
    torch.manual_seed(5)
    first = save_agreement(train_agreement(table, Agreement(), 2, FEW).ranker, {})
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after), "the process's random state was changed"
    try:
        torch.set_num_threads(2)
        assert save_agreement(train_agreement(table, Agreement(), 2, FEW).ranker, {}) == first
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    other = AgreementRecipe(steps=200, batch=64, weight_decay=0.01, width=16, seed=1)
    assert save_agreement(train_agreement(table, Agreement(), 2, other).ranker, {}) != first


def test_losses_are_means_of_so_many_steps() -> None:
    recipe = AgreementRecipe(steps=LOGGED + 1, batch=8, learning_rate=1e-9, width=4)
    losses = train_agreement(drawn(), Agreement(), 1, recipe).losses
    assert len(losses) == 2
    # Without learning, a step's loss is that of the scores as they are, of the boxes drawn with the recipe's seed.
    table, draws = drawn(), torch.Generator().manual_seed(0)
    rows = [torch.randint(len(table.hits), (8,), generator=draws) for _ in range(recipe.steps)]
    logits, hits = torch.from_numpy(table.features[:, LOGIT]), torch.from_numpy(table.hits).float()
    each = [float(functional.binary_cross_entropy_with_logits(logits[r], hits[r])) for r in rows]
    assert losses == pytest.approx((np.mean(each[:LOGGED]), each[LOGGED]), rel=1e-4)


def test_every_subset_weighs_alike() -> None:
    """Two easy faces are worth as much as eight hard ones; a box on a face that counts nowhere is worth nothing."""
    counted = np.array([[1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 0, 1]], bool)
    table = AgreementTable(np.zeros((4, 7), np.float32), np.array([1, 1, 1, 0], bool), counted, np.array([2, 2, 8]))
    each = np.array([1 / 2 + 1 / 2 + 1 / 8, 1 / 8, 0, 1 / 2 + 1 / 2 + 1 / 8])
    np.testing.assert_allclose(box_weights(table), each / each.mean(), rtol=1e-6)
    no_easy = AgreementTable(table.features, table.hits, counted, np.array([0, 2, 8]))
    each = np.array([1 / 2 + 1 / 8, 1 / 8, 0, 1 / 2 + 1 / 8])
    np.testing.assert_allclose(box_weights(no_easy), each / each.mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (AgreementTable(*[getattr(drawn(), n) for n in ("features", "hits", "counted")], np.zeros(3, np.int64)), "no face counts in any subset"),
        (AgreementTable(drawn().features, drawn().hits, np.zeros((3, 400), bool), np.array([1, 1, 1])), "no box counts"),
        (AgreementTable(drawn().features, np.ones(400, bool), drawn().counted, np.array([1, 1, 1])), "400 of 400 boxes that count are hits"),
        (AgreementTable(drawn().features, np.zeros(400, bool), drawn().counted, np.array([1, 1, 1])), "0 of 400 boxes that count are hits"),
        (AgreementTable(drawn().features[:0], np.zeros(0, bool), np.zeros((3, 0), bool), np.array([1, 1, 1])), "no box counts"),
    ],
)  # fmt: skip
def test_nothing_to_learn_from_is_refused(table: AgreementTable, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        train_agreement(table, Agreement(), 1, FEW)


def test_a_training_that_diverges_is_refused() -> None:
    with pytest.raises(ValueError, match=r"NaN or infinite: take a smaller recipe\.learning_rate"):
        train_agreement(drawn(), Agreement(), 1, AgreementRecipe(steps=50, batch=8, learning_rate=1e30))
