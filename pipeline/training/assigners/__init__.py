"""Assigners: which anchor learns which face."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.max_iou import assign_by_max_iou

Assigner = Callable[[Tensor, Tensor], Assignment]
"""(anchors [A, 4] xyxy, face boxes [F, 4] xyxy of the same frame) -> Assignment of the A anchors."""

ASSIGNERS: Mapping[str, Assigner] = {"max_iou": assign_by_max_iou}
"""Assigners by the name that a recipe gives, each with its published thresholds."""
