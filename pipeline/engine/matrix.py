"""One node written once for every row of a table: `rows` of a config, told apart by their variables.

Example::

    rows:
      standard: {assigner: mogface}
      hambox: {assigner: hambox}
    nodes:
      "train_{row}":
        stage: train_detector
        row_fingerprint: {assigner: "{assigner}"}
      table:
        stage: table
        inputs: {ap: ["ap_{row}"]}

gives the nodes train_standard and train_hambox, and a table of ap_standard and ap_hambox.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from pipeline.engine.literal_yaml import LiteralValue

_VARIABLE = re.compile(r"\{(\w+)\}")
ROW = "row"


def expand(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config's tree without `rows`: nodes with {row} in their name repeated, lists of such names spread.

    A text that is nothing but one variable becomes its value, a number or a list as well; within a longer text it is
    put in as it is written.

    Args:
        tree: a config as read; its values are not changed.

    Raises:
        ValueError: `rows` is no mapping of mappings, or a variable is not that of every row.
    """
    rest = {name: value for name, value in tree.items() if name != "rows"}
    rows = tree.get("rows")
    if rows is None:
        return rest
    if not isinstance(rows, Mapping) or not all(isinstance(each, Mapping) for each in rows.values()):
        raise ValueError(f"rows: expected a mapping of row names to variables, found {rows!r}")
    variables = {str(name): {ROW: str(name), **each} for name, each in rows.items()}
    nodes: dict[str, Any] = {}
    for name, fields in (rest.get("nodes") or {}).items():
        if "{row}" not in str(name):
            nodes[name] = _spread(fields, variables)
            continue
        for known in variables.values():
            nodes[_filled(str(name), known, str(name))] = _filled(fields, known, str(name))
    return {**rest, "nodes": nodes}


def _filled(value: Any, known: Mapping[str, Any], where: str) -> Any:
    """Returns a value with every variable of one row put in."""
    if isinstance(value, Mapping):
        return {_filled(name, known, where): _filled(each, known, where) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, known, where) for each in value]
    if not isinstance(value, str) or isinstance(value, LiteralValue):
        return value
    if missing := [name for name in _VARIABLE.findall(value) if name not in known]:
        raise ValueError(f"nodes.{where}: row {known[ROW]} has no variable {missing[0]}; it has {', '.join(known)}")
    if whole := _VARIABLE.fullmatch(value):
        return copy.deepcopy(known[whole[1]])
    return _VARIABLE.sub(lambda found: str(known[found[1]]), value)


def _spread(value: Any, rows: Mapping[str, Mapping[str, Any]]) -> Any:
    """Returns the fields of a node that is there once, with "name_{row}" in its lists once for every row."""
    if isinstance(value, Mapping):
        return {name: _spread(each, rows) for name, each in value.items()}
    if not isinstance(value, list):
        return value
    spread: list[Any] = []
    for each in value:
        of_rows = isinstance(each, str) and "{row}" in each
        spread += [each.replace("{row}", row) for row in rows] if of_rows else [_spread(each, rows)]
    return spread
