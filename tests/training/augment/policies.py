"""Named augmentations with other numbers."""

from __future__ import annotations

from typing import Any

from pipeline.training.augment.policy import POLICIES, Policy


def policy(name: str, **changes: Any) -> Policy:
    """Returns the policy of an entry of `POLICIES`; `changes` are fields that differ."""
    return Policy(geometry=POLICIES.find(name)(), **changes)
