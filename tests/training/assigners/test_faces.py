"""Padding in and out again."""

from __future__ import annotations

import pytest
import torch

from pipeline.training.assigners.faces import FaceBatch, Predicted, require_predicted


def test_padded_and_back() -> None:
    faces = [torch.rand(2, 4), torch.zeros(0, 4), torch.rand(3, 4)]
    batch = FaceBatch.of(faces)
    assert batch.boxes.shape == (3, 3, 4)
    assert batch.valid.sum(dim=1).tolist() == [2, 0, 3]
    rows = batch.rows()
    assert torch.equal(rows.boxes, torch.cat(faces))
    assert (rows.image.tolist(), rows.column.tolist()) == ([0, 0, 2, 2, 2], [0, 1, 0, 1, 2])
    assert batch.row_of()[rows.image, rows.column].tolist() == list(range(5)) == list(range(len(rows)))


def test_no_faces_keep_one_column() -> None:
    batch = FaceBatch.of([torch.zeros(0, 4)] * 2)
    assert batch.boxes.shape == (2, 1, 4) and not batch.valid.any() and len(batch.rows()) == 0


def test_refuses_shapes_and_dtypes() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2, 4\) and valid \(1, 3\)"):
        FaceBatch(torch.zeros(1, 2, 4), torch.zeros(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="float64"):
        FaceBatch(torch.zeros(1, 2, 4).double(), torch.zeros(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(1, 3, 4\)"):
        Predicted(torch.zeros(1, 2), torch.zeros(1, 3, 4))
    with pytest.raises(ValueError, match="assigner ota needs"):
        require_predicted(None, "ota")
