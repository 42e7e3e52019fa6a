"""Whether a training gives the same bytes again; in its own file, because a plan is made without importing torch."""

from __future__ import annotations

from typing import Literal

Repeatable = Literal["required", "preferred", "off"]
"""See `determinism.deterministic`."""
