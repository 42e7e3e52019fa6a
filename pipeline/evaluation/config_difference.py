"""The table of what differs between the configs of two runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.engine.fingerprint import ABSENT
from pipeline.evaluation.result_table import NONE, ResultTable, shortened

LONGEST: Final = 60  # characters of a value


def config_table(names: tuple[str, str], config: Sequence[tuple[str, Any, Any]]) -> ResultTable:
    """Returns a table of the fields that differ, a column per run.

    Where two runs are wired differently, one has a whole branch of steps that the other lacks: its stages are named.

    Args:
        names: of the runs.
        config: (field, value of the first run, value of the second), as `fingerprint.difference` returns them.
    """
    rows = []
    for field, *values in config:
        one, other = shortened([_shown(value) for value in values], LONGEST)
        rows.append((field, one, other))
    return ResultTable("What differs in the config", ("field", *names), rows)


def _shown(value: Any) -> str:
    if value == ABSENT:
        return NONE
    if isinstance(value, Mapping) and (stages := _stages(value)):
        return f"stage {' < '.join(stages)}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _stages(branch: Mapping[str, Any]) -> list[str]:
    """Returns the stage of a branch and, by the longest way, those that it came from."""
    if "stage" not in branch:
        return []
    below = [_stages(each) for each in branch.values() if isinstance(each, Mapping)]
    return [str(branch["stage"]), *max(below, key=len, default=[])]
