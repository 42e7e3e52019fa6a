from __future__ import annotations

import pytest
import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.ranker import PIXELS


@pytest.mark.parametrize("name", ["crface_mobilenet", "roi_mobilenet"])
@pytest.mark.parametrize(
    ("tables", "valid", "words"),
    [
        (torch.zeros(2, 9, 5), torch.zeros(2, dtype=torch.int64), r"tables \[B, 8, 5\].*got \[2, 9, 5\] and \[2\]"),
        (torch.zeros(2, 8, 4), torch.zeros(2, dtype=torch.int64), r"got \[2, 8, 4\] and \[2\]"),
        (torch.zeros(2, 8, 5), torch.zeros(3, dtype=torch.int64), r"got \[2, 8, 5\] and \[3\]"),
    ],
)
def test_tables_of_another_length_are_refused(name: str, tables: torch.Tensor, valid: torch.Tensor, words: str) -> None:
    ranker = RANKERS[name].build(num_candidates=8).eval()
    with pytest.raises(ValueError, match=words):
        ranker(torch.zeros(2, 3, 32, 32), tables, valid)


def test_rows_that_are_candidates() -> None:
    ranker = RANKERS["roi_mobilenet"].build(num_candidates=3)
    assert ranker.real(torch.zeros(2, 3, 5), torch.tensor([0, 2])).tolist() == [[False] * 3, [True, True, False]]


def test_pixels_are_those_that_a_body_was_trained_with() -> None:
    assert PIXELS["retinaface"] == DETECTORS["retinaface_mobilenet"].build().normalisation
    grey = torch.tensor([[[103.53, 116.28, 123.675]]])  # ImageNet's mean, blue first
    assert PIXELS["imagenet"](grey).abs().max() < 1e-3


def test_unknown_ranker_lists_the_choices() -> None:
    with pytest.raises(ValueError, match="no ranker is called 'yolo'"):
        RANKERS.find("yolo")


def test_the_table_costs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, pipeline.models.rankers; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize("name", ["crface_mobilenet", "roi_mobilenet"])
def test_bfloat16_gives_nearly_the_same(name: str) -> None:
    torch.manual_seed(0)
    ranker = RANKERS[name].build(num_candidates=40).eval()
    for part in ranker.modules():
        if isinstance(part, torch.nn.Linear) and not part.weight.any():
            torch.nn.init.normal_(part.weight)
    corner = 0.6 * torch.rand(1, 40, 2)
    tables = torch.cat([corner, 0.02 + 0.3 * torch.rand(1, 40, 2), torch.linspace(1, 0, 40)[None, :, None]], dim=2)
    inputs = 50 * torch.randn(1, 3, 240, 320), tables, torch.tensor([40])
    exact = ranker(*inputs).detach()
    with torch.autocast("cpu", torch.bfloat16):
        near = ranker(*inputs)
    assert near.dtype == torch.float32
    near.sum().backward()
    assert all(torch.isfinite(part.grad).all() for part in ranker.parameters() if part.grad is not None)
    near = near.detach()
    assert float((near - exact).abs().mean()) < 0.05 * float(exact.abs().mean())
    assert not torch.equal(near, exact)
