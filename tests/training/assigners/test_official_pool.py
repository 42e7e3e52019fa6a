"""The released code's index ranges."""

from __future__ import annotations

import pytest
import torch

from pipeline.training.assigners.official_pool import official_pool
from tests.training.assigners.vectors import mogface_anchors


@pytest.mark.parametrize(
    ("ordinal", "start", "end"),
    [(0, 0, 25600), (1, 6400, 32000), (2, 8000, 33600), (3, 8400, 34000), (4, 8500, 34100)],
)
def test_ranges_at_640(ordinal: int, start: int, end: int) -> None:
    anchors = mogface_anchors()
    box = torch.tensor([[100.0, 90.0, 163.0, 161.0], [610.0, 600.0, 660.0, 690.0]])
    got = official_pool(anchors, box, torch.full((2,), ordinal), 12)
    gap = anchors.centres[:, :2] - ((box[:, :2] + box[:, 2:]) / 2)[:, None]
    wanted = torch.sort((gap * gap).sum(dim=2)[:, start:end], dim=1, stable=True).indices[:, :12] + start
    assert torch.equal(got, wanted)
