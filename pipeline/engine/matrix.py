"""One block of a config for many nodes: `matrix` names axes, and a node's name says along which of them it is repeated.

Example::

    matrix:
      detector:
        hambox: {network: hambox_resnet50}
        hrnet: {network: hrnet_w48}
      size: [original, 8k]
    nodes:
      "boxes_{detector}_{size}":
        stage: predict
        inputs: {samples: faces}
        detector: "{network}"
        canvas: "{size}"
      "tables_{size}":
        stage: label_candidates
        inputs: {samples: faces, candidates: "boxes_{detector}_{size}"}

gives four nodes of stage predict, and tables_original with both detectors' boxes at original size, tables_8k at 8K: an
axis that a node's name has repeats the node; an axis that only its inputs have is gathered. Where two blocks give the
same node, the later one is merged over the earlier, as a file is over its base.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from pipeline.engine.literal_yaml import LiteralValue

_VARIABLE = re.compile(r"\{(\w+)\}")
Axes = Mapping[str, Mapping[str, Mapping[str, Any]]]


def expand(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config's tree without `matrix`: nodes repeated along the axes of their names, inputs gathered.

    A text that is nothing but one variable becomes its value, a number or a list as well; within a longer text it is
    put in as it is written. A variable's own value may name axes. Along two axes the one that comes first in the text
    varies slowest.

    Args:
        tree: a config as read; its values are not changed.

    Raises:
        ValueError: `matrix` is no mapping of axes, or a node names a variable that it does not have.
    """
    rest = {name: value for name, value in tree.items() if name != "matrix"}
    if tree.get("matrix") is None:
        return rest
    axes = _axes(tree["matrix"])
    nodes: dict[str, Any] = {}
    for name, fields in (rest.get("nodes") or {}).items():
        for known in _combinations([each for each in _named(name) if each in axes], axes):
            node = str(_filled(str(name), known, f"nodes.{name}"))
            nodes[node] = merged(nodes.get(node), _node(fields, known, axes, f"nodes.{node}"))
    return {**rest, "nodes": nodes}


def merged(below: Any, above: Any) -> Any:
    """Returns `above` where it says anything, and `below` elsewhere: mappings are merged field by field."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}


def _axes(matrix: object) -> Axes:
    axes: dict[str, dict[str, Mapping[str, Any]]] = {}
    found = matrix.items() if isinstance(matrix, Mapping) else [("", matrix)]
    for axis, entries in found:
        named = dict.fromkeys(entries) if isinstance(entries, list) else entries
        if not axis or not isinstance(named, Mapping) or not all(isinstance(v or {}, Mapping) for v in named.values()):
            raise ValueError(
                f"matrix{axis and f'.{axis}'}: expected axes, each a list of names or a mapping of names to variables, "
                f"found {entries!r}"
            )
        axes[str(axis)] = {name: each or {} for name, each in named.items()}
    owner = {axis: axis for axis in axes}
    for axis, named in axes.items():
        for variable in {str(variable) for each in named.values() for variable in each}:
            if owner.setdefault(variable, axis) != axis:
                raise ValueError(f"matrix.{axis}: {variable} is a name of axis {owner[variable]} already")
    return axes


def _combinations(chosen: Sequence[str], axes: Axes) -> Iterator[dict[str, Any]]:
    """Yields the variables of every combination of entries, an axis's own name being that of the entry."""
    for names in product(*(axes[axis] for axis in chosen)):
        entries = dict(zip(chosen, names, strict=True))
        variables = {str(key): value for axis, name in entries.items() for key, value in axes[axis][name].items()}
        yield {**{key: _put(value, entries) for key, value in variables.items()}, **entries}


def _node(fields: Any, known: Mapping[str, Any], axes: Axes, where: str) -> Any:
    if not isinstance(fields, Mapping):
        return fields
    inputs = fields.get("inputs")
    if not isinstance(inputs, Mapping):
        return _filled(fields, known, where)
    wired = {port: _gathered(names, known, axes, where) for port, names in inputs.items()}
    return {**_filled({**fields, "inputs": None}, known, where), "inputs": wired}


def _gathered(value: Any, known: Mapping[str, Any], axes: Axes, where: str) -> Any:
    """Returns the node names of an input, one for every entry of the axes that are not those of the node."""
    if isinstance(value, list):
        found = [_gathered(each, known, axes, where) for each in value]
        return [name for each in found for name in (each if isinstance(each, list) else [each])]
    text = _put(value, known)
    if isinstance(text, list):  # the value of a variable
        return _gathered(text, known, axes, where)
    along = [each for each in _named(text) if each in axes]
    if not along:
        return _filled(text, known, where)
    combinations = product(*(axes[axis] for axis in along))
    return [_filled(text, dict(zip(along, names, strict=True)), where) for names in combinations]


def _filled(value: Any, known: Mapping[str, Any], where: str) -> Any:
    """Returns a value with all variables put in; raises ValueError for one that is not known."""
    filled = _put(value, known)
    for name in _named(filled):
        has = ", ".join(known) or "none"
        raise ValueError(f"{where}: no axis in its name and no variable of one is called {name}; it has {has}")
    return filled


def _put(value: Any, known: Mapping[str, Any]) -> Any:
    """Returns a copy of a value with the known variables put in."""
    if isinstance(value, Mapping):
        return {_put(name, known): _put(each, known) for name, each in value.items()}
    if isinstance(value, list):
        return [_put(each, known) for each in value]
    if not isinstance(value, str) or isinstance(value, LiteralValue):
        return value
    if (whole := _VARIABLE.fullmatch(value)) and whole[1] in known:
        return copy.deepcopy(known[whole[1]])
    return _VARIABLE.sub(lambda found: str(known.get(found[1], found[0])), value)


def _named(value: Any) -> list[str]:
    """Returns the variables that a value has, each once, in the order of the text."""
    if isinstance(value, Mapping):
        return _named([*value, *value.values()])
    if isinstance(value, list):
        return list(dict.fromkeys(name for each in value for name in _named(each)))
    plain = isinstance(value, str) and not isinstance(value, LiteralValue)
    return list(dict.fromkeys(_VARIABLE.findall(value))) if plain else []
