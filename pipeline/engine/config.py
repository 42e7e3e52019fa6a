"""A YAML file becomes a checked graph: bases merged, overrides applied, every mistake named with its nearest name."""

from __future__ import annotations

import copy
import fnmatch
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.engine.graph import Graph, Node
from pipeline.engine.literal_yaml import LiteralValue, parse_literal, read_yaml, resolved
from pipeline.engine.matrix import expand, merged
from pipeline.engine.registry import nearest
from pipeline.engine.stage import Resources, Stage

SHARE = "max_error_share"  # of every node that has none of its own
TOP_FIELDS = ("base", "name", "store", "machine", "machines", "matrix", "nodes", SHARE)
NODE_FIELDS = ("stage", "inputs", "path", "run")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Config:
    """What to run: a name, where the outputs are, and the graph."""

    name: str
    store: str
    graph: Graph
    path: Path


def load_config(
    path: Path, stages: Mapping[str, type[Stage]], overrides: Sequence[str] = (), machine: str | None = None
) -> Config:
    """Returns the checked config of a file; `configs/README.md` shows what one is made of.

    Args:
        path: YAML with `nodes`. `name` is the file's own without one, `store` is then `runs/<name>`. `base: other.yaml`
            (beside it) is merged below it, and a node set to null is removed; `matrix` repeats nodes, see
            `matrix.expand`; `machines` names profiles: stage name -> `Resources` of its nodes, where their own `run`
            says nothing else, and `machine` chooses one; `max_error_share` is that of every node without its own.
        stages: stage name -> class.
        overrides: `node.field=value` or `store=...`; a field for text takes the value as it is written, any other
            reads it as YAML. A `*` in the name matches anything, so that `train_*.recipe.steps=100` sets a field of
            many nodes.
        machine: the profile to take instead of the config's own.

    Raises:
        ValueError: naming file, field, what was expected and what was found, all mistakes at once.
    """
    tree = _read(path, ())
    try:
        tree = expand(tree)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    for override in overrides:
        _override(tree, override)
    problems = [f"{key}: unknown field{nearest(key, TOP_FIELDS)}" for key in tree if key not in TOP_FIELDS]
    problems += [] if tree.get("nodes") else ["nodes: missing"]
    nodes = tree.get("nodes") or {}
    if not isinstance(nodes, Mapping):
        problems, nodes = [*problems, f"nodes: expected a mapping of node names, found {type(nodes).__name__}"], {}
    profile = _profile(tree, machine, stages, problems)
    kept = {str(name): fields for name, fields in nodes.items() if fields is not None}
    built = [_node(name, fields, stages, profile, problems) for name, fields in kept.items()]
    if problems:
        raise ValueError(f"{path}:\n" + "\n".join(f"  - {p}" for p in problems))
    try:
        graph = Graph([node for node in built if node])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    name = str(tree.get("name") or path.stem)
    return Config(name, str(tree.get("store") or f"runs/{name}"), graph, path)


def _profile(
    tree: Mapping[str, Any], machine: str | None, stages: Mapping[str, type[Stage]], problems: list[str]
) -> dict[str, dict[str, Any]]:
    """Returns stage name -> resources of the machine that was chosen, `max_error_share` among those of every stage."""
    machines, chosen = tree.get("machines") or {}, machine or tree.get("machine")
    share = {} if tree.get(SHARE) is None else {SHARE: tree[SHARE]}
    if _validated(Resources, share, "", problems) is None:
        share = {}
    if not isinstance(machines, Mapping) or not all(isinstance(each, Mapping) for each in machines.values()):
        problems.append(f"machines: expected a mapping of names to stages to resources, found {machines!r}")
        machines = {}
    elif chosen is not None and chosen not in machines:
        problems.append(f"machine: none is called {chosen!r}{nearest(str(chosen), map(str, machines))}")
    for name, profile in machines.items():
        for stage, resources in profile.items():
            if stage not in stages:
                problems.append(f"machines.{name}.{stage}: no such stage{nearest(str(stage), stages)}")
            _validated(Resources, resources, f"machines.{name}.{stage}", problems)
    taken = machines.get(chosen) or {}
    return {stage: {**share, **(resolved(taken.get(stage), dict[str, Any]) or {})} for stage in stages}


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    path = path.resolve()
    if path in seen:
        raise ValueError(f"{path}: base files refer to each other in a cycle")
    try:
        tree = read_yaml(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such config file") from None
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: expected a mapping with nodes, found {type(tree).__name__}")
    base = tree.pop("base", None)
    return dict(merged(_read(path.parent / str(base), (*seen, path)), tree)) if base else tree


def _override(tree: dict[str, Any], override: str) -> None:
    field, equals, text = override.partition("=")
    keys = field.strip().split(".")
    if not equals or not all(keys):
        raise ValueError(f"--set {override}: expected node.field=value")
    if keys[0] in ("store", "name", SHARE):
        _put(tree, keys, text, override)
        return
    typed = parse_literal(text, f"--set {override}")
    # A whole node is never a text.
    value = resolved(typed, Any) if len(keys) == 1 else typed
    nodes = tree.get("nodes") or {}
    chosen = fnmatch.filter(nodes, keys[0]) if "*" in keys[0] else [keys[0]] if keys[0] in nodes else []
    if not chosen:
        raise ValueError(f"--set {override}: no node is called {keys[0]!r}{nearest(keys[0], nodes)}")
    for name in chosen:
        _put(tree, ["nodes", name, *keys[1:]], copy.deepcopy(value), override)


def _put(tree: dict[str, Any], keys: Sequence[str], value: Any, override: str) -> None:
    group = tree
    for key in keys[:-1]:
        inner = group.get(key)
        # What an earlier --set gave may be a group of fields too.
        inner = inner.value if isinstance(inner, LiteralValue) else {} if inner is None else inner
        # A text is short for a group with that kind and no other field.
        inner = {"kind": inner} if isinstance(inner, str) else inner
        if not isinstance(inner, dict):
            raise ValueError(f"--set {override}: {key} is not a group of fields")
        group[key] = inner
        group = inner
    group[keys[-1]] = value


def _node(
    name: str,
    fields: object,
    stages: Mapping[str, type[Stage]],
    profile: Mapping[str, Mapping[str, Any]],
    problems: list[str],
) -> Node | None:
    where, before = f"nodes.{name}", len(problems)
    if not isinstance(fields, Mapping):
        problems.append(f"{where}: expected a mapping, found {type(fields).__name__}")
        return None
    kind = stages.get(str(fields.get("stage")))
    if kind is None:
        problems.append(
            f"{where}.stage: no stage is called {fields.get('stage')!r}{nearest(str(fields.get('stage')), stages)}"
        )
        return None
    params = {key: value for key, value in fields.items() if key not in NODE_FIELDS}
    stage = _validated(kind, params, where, problems)
    try:
        run = resolved(fields.get("run"), dict[str, Any]) or {}
        inputs = resolved(fields.get("inputs"), dict[str, str | list[str]]) or {}
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return None
    usual = profile[str(fields["stage"])]
    resources = _validated(Resources, {**usual, **run} if isinstance(run, Mapping) else run, f"{where}.run", problems)
    files = resolved(fields.get("path"), str | None)
    if files is not None and not isinstance(files, str):
        problems.append(f"{where}.path: expected a path, found {files!r}")
    if not isinstance(inputs, Mapping):
        problems.append(f"{where}.inputs: expected a mapping of input names, found {inputs!r}")
    if len(problems) > before or stage is None or resources is None:
        return None
    wired = {str(port): tuple([n] if isinstance(n, str) else n or ()) for port, n in inputs.items()}
    return Node(name, stage, wired, files and os.path.expandvars(os.path.expanduser(files)), resources, SHARE in run)


def _validated(kind: type[M], fields: object, where: str, problems: list[str]) -> M | None:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        for each in error.errors():
            place = ".".join([*([where] if where else []), *(str(part) for part in each["loc"])])
            unknown = each["type"] in ("extra_forbidden", "unexpected_keyword_argument")
            # Fields further in belong to a model that is not known here; naming this one's would mislead.
            hint = nearest(str(each["loc"][-1]), kind.model_fields) if unknown and len(each["loc"]) == 1 else ""
            message = "unknown field" if unknown else each["msg"].removeprefix("Value error, ")
            problems.append(f"{place}: {message}{hint}, found {each['input']!r}")
        return None
