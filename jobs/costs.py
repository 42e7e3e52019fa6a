"""What the configs cost in operations, GPU-hours of measured speed, and bytes; configs/COSTS.md is what it prints.

    python jobs/costs.py > configs/COSTS.md
    python jobs/costs.py -c configs/mogface_full.yaml --set detector.recipe.steps=70000

What was measured is in jobs/costing/rates.py: after a day on a GPU, change that file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # `jobs` is no installed package

from jobs.costing.nodes import costs_of  # noqa: E402
from jobs.costing.page import node_table, whole_page  # noqa: E402
from pipeline.engine.config import load_config  # noqa: E402
from stages.graph import STAGES  # noqa: E402

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="One config, node by node; default all.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="node.field=value of that config; repeatable.")
    ] = None,
) -> None:
    """Print what the configs cost: operations, GPU-hours at measured speed, and bytes.

    Example: uv run python jobs/costs.py -c configs/full.yaml
    """
    try:
        if config is not None:
            print("\n".join(node_table(costs_of(load_config(config, STAGES, set_ or [])))))
            return
        if set_:
            raise ValueError("--set changes one config: name it with -c")
        print(page(), end="")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def page() -> str:
    """Returns the page of all configs."""
    files = sorted((ROOT / "configs").glob("*.yaml"))
    return whole_page({file.stem: costs_of(load_config(file, STAGES)) for file in files})


if __name__ == "__main__":
    app()
