"""The AP of every evaluation of a run as one table, printed where the run ends."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pipeline.engine.manifest import Artifact
from pipeline.evaluation.result_schemas import AP
from pipeline.evaluation.result_table import NONE, ResultTable, percent


def ap_table(outputs: Mapping[str, Artifact]) -> ResultTable | None:
    """Returns AP in per cent: a row per evaluation, a column per subset; None where no output holds an AP.

    Args:
        outputs: finished outputs by node, computed or reused alike.
    """
    rows = {name: _ap(output) for name, output in outputs.items() if output.manifest.key == AP.names[0]}
    if not rows:
        return None
    subsets = list(dict.fromkeys(subset for found in rows.values() for subset in found))
    cells = [[name, *(found.get(subset, NONE) for subset in subsets)] for name, found in rows.items()]
    return ResultTable("AP in %", ["evaluation", *subsets], cells)


def _ap(output: Artifact) -> dict[str, str]:
    rows = output.rows(["subset", "ap"])
    return {row["subset"]: percent(math.nan if row["ap"] is None else row["ap"]) for row in rows}
