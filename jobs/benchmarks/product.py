"""The product's own commands, as a user runs them, and the AP that they store."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from jobs.benchmarks.images import REAL_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]


def product_command(config: str, sets: Mapping[str, Any]) -> list[str]:
    """Returns ``wider8k run`` of a config with fields set, to be run in `ROOT`."""
    chosen = [part for name, value in sets.items() for part in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "stages.cli.main", "run", "-c", config, *chosen]


def wider_val_command(store: Path, shared: Path, sets: Mapping[str, Any]) -> list[str]:
    """Returns the command that evaluates the published MobileNet on the real images of `shared`."""
    data = {
        "store": store,
        "faces.path": shared / "data/wider_images",
        "faces.dataset.missing": "skip",
        "boxes.path": shared / REAL_WEIGHTS,
    }
    return product_command("configs/wider_val.yaml", {**data, **sets})


def ap_of(store: Path) -> dict[str, float]:
    """Returns subset -> AP in per cent, of the node `ap` in a store."""
    rows = [row for file in store.glob("ap/*/whole.parquet") for row in pq.read_table(file).to_pylist()]
    return {row["subset"]: 100 * row["ap"] for row in rows}
