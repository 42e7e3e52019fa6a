"""Whether the same training gives the same bytes again; apart, because a plan is made without importing torch."""

from __future__ import annotations

from typing import Literal

Repeatable = Literal["required", "preferred", "off"]
"""See `settings.deterministic`."""
