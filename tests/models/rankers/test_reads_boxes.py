"""Whether a ranker reads boxes: two rows of its table are exchanged, and a scorer of boxes exchanges their answers.

The difference of the two answers, d, then becomes -d: it changes by 2 |d|. CRFace's, which is averaged over the places of
every map before its last layer, stays nearly the same: it answers for places in the table.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.ranker import Ranker

ROWS = 1000
SHARE = 0.01
"""Of what a scorer of boxes changes; CRFace's networks stay well below."""


def said(name: str, **model_args: object) -> Ranker:
    """A ranker whose last layers say something."""
    torch.manual_seed(0)
    ranker = RANKERS.find(name).build(num_candidates=ROWS, **model_args)
    for part in ranker.modules():
        if isinstance(part, nn.Linear) and not part.weight.any():
            nn.init.normal_(part.weight)
    return ranker.eval()


def table() -> Tensor:
    rng = torch.Generator().manual_seed(1)
    corner, sides = 0.7 * torch.rand(1, ROWS, 2, generator=rng), 0.02 + 0.3 * torch.rand(1, ROWS, 2, generator=rng)
    return torch.cat([corner, sides, torch.linspace(1, 0, ROWS)[None, :, None]], dim=2)


@torch.no_grad()
def changed(ranker: Ranker, columns: int) -> float:
    """Returns by how much differences change when rows are exchanged, as a share of what a scorer of boxes does."""
    image, rows, valid = 50 * torch.randn(1, 3, 192, 256), table(), torch.tensor([ROWS])
    before = ranker(image, rows, valid)[0]
    moved = full = 0.0
    for i, j in ((0, 1), (0, ROWS - 1), (3, ROWS // 2), (20, 40), (ROWS // 3, ROWS - 2), (500, 530)):
        exchanged = rows.clone()
        exchanged[0, [i, j], :columns] = rows[0, [j, i], :columns]
        after = ranker(image, exchanged, valid)[0]
        difference = before[i] - before[j]
        moved += float((after[i] - after[j] - difference).abs())
        full += 2 * float(difference.abs())
    return moved / full


@pytest.mark.parametrize("columns", [4, 5], ids=["boxes alone", "boxes and scores"])
@pytest.mark.parametrize("model_args", [{}, {"sampling": "average"}, {"kernel": (5, 3)}, {"scale": 1e-3}])
def test_crface_cannot_read_a_box(model_args: dict[str, object], columns: int) -> None:
    assert changed(said("crface_mobilenet", **model_args), columns) < SHARE


@pytest.mark.parametrize("columns", [4, 5], ids=["boxes alone", "boxes and scores"])
@pytest.mark.parametrize("num_neighbours", [0, 8])
def test_ours_reads_boxes(num_neighbours: int, columns: int) -> None:
    assert changed(said("roi_mobilenet", num_neighbours=num_neighbours), columns) > 0.5
