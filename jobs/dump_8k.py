"""Dumps detections on 8K images: of a config's nodes only those of stage index and predict.

    ray job submit --working-dir . -- python jobs/dump_8k.py --set faces.path=/WIDER --set mobilenet.path=/m.pth

Kill it and repeat it at will; it takes the options of `wider8k run`. Ray and this project's dependencies must be
installed on the cluster, the project itself need not be.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from jobs.given_options import given_options
from pipeline.engine.config import load_config
from pipeline.engine.redaction import redact
from stages.cli.main import main
from stages.graph import STAGES


def arguments(given: list[str]) -> list[str]:
    """Returns the arguments of `wider8k` for index and predict alone; a choice made by --only stays as it is."""
    given = ["-c", "configs/dump_8k.yaml", *given]  # a later -c wins
    known = given_options(given)
    nodes = load_config(Path(known.config[-1]), STAGES, known.set).graph.nodes.values()
    if not (only := known.only or [node.name for node in nodes if node.stage.name in ("index", "predict")]):
        raise ValueError(f"{known.config[-1]}: no node is of stage index or predict")
    return ["run", *given, *(word for name in only for word in ("--only", name))]


if __name__ == "__main__":
    try:
        sys.argv[1:] = arguments(sys.argv[1:])
    except ValueError as error:
        sys.exit(redact(f"error: {error}"))
    main()
