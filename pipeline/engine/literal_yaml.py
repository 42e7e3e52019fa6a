"""YAML whose values keep the characters they were written with, so that a field for text gets the text.

YAML reads `2024-05-01` as a date, `0640` as 416, `yes` as True and `trip #2` as `trip`. Only the field that a value is
for knows what was meant: `LiteralValue` carries both readings to it, and `resolved` picks one by the field's type.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import BaseModel, model_validator
from yaml.composer import Composer

COPIED: Final = 20_000
"""Values that the aliases of a file may stand for, together."""
_NONE = type(None)


class LiteralValue(str):
    """Characters that YAML reads as something else than this text.

    Attributes:
        value: what YAML reads; a `ValueError` where it cannot read them.
    """

    __slots__ = ("value",)
    value: Any

    def __new__(cls, text: str, value: Any) -> LiteralValue:
        """Returns the text with its other reading beside it."""
        made = super().__new__(cls, text)
        made.value = value
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> LiteralValue:
        return LiteralValue(str(self), copy.deepcopy(self.value, memo))


class LiteralModel(BaseModel):
    """Base of models that are read out of YAML: a field for text gets the characters, every other what YAML reads."""

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping):
            return fields
        known = {name: each.annotation or Any for name, each in cls.model_fields.items()}
        return {str(name): resolved(value, known.get(name, Any)) for name, value in fields.items()}


def read_yaml(data: bytes, where: str) -> Any:
    """Returns the content of a YAML file; scalars that are no text are `LiteralValue`, null is None.

    Args:
        data: UTF-8, or UTF-16 with its mark in front.
        where: what to call the file in an error.

    Raises:
        ValueError: another encoding, no YAML, or a key that is there twice; one line with file and line.
    """
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        found = f"byte 0x{data[error.start]:02x}" if error.start < len(data) else "the end of the file"
        raise ValueError(f"{where}:{line}: expected a YAML file in UTF-8, found {found}") from None
    return _load(text, where, lines=True)


def parse_literal(text: str, where: str) -> LiteralValue:
    """Returns what was typed for one value, with YAML's reading of it."""
    try:
        value = _load(text, where, lines=False)
    except ValueError as error:
        return LiteralValue(text, error)
    return LiteralValue(text, value.value if isinstance(value, LiteralValue) else value)


def resolved(value: Any, annotation: Any) -> Any:
    """Returns a value without `LiteralValue` in it, as a field of that type means it.

    Mappings for another model are left as they are: a model reads its own fields.

    Raises:
        ValueError: the field is not for text, and YAML cannot read what was typed.
    """
    kinds = _kinds(annotation)
    if isinstance(value, LiteralValue):
        return _chosen(value, kinds)
    if isinstance(value, Mapping):
        return _mapping(value, kinds)
    if isinstance(value, list):
        return [resolved(each, _element(kinds, i)) for i, each in enumerate(value)]
    return value


class _Composer(Composer):
    """Takes no key twice, no value within itself, and copies the values of an alias."""

    check_event: Any  # of a parser
    peek_event: Any
    _copied = 0  # values that aliases stand for so far

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        if not self.check_event(yaml.AliasEvent):
            return super().compose_node(parent, index)
        event = self.peek_event()
        if event.anchor in self.anchors and self.anchors[event.anchor].end_mark is None:
            raise yaml.composer.ComposerError(None, None, f"*{event.anchor} is within itself", event.start_mark)
        node = super().compose_node(parent, index)
        # A few lines of aliases of aliases stand for billions of values.
        self._copied += _size(node, COPIED - self._copied)
        if self._copied > COPIED:
            raise yaml.composer.ComposerError(
                None, None, f"its aliases stand for more than {COPIED:,} values", event.start_mark
            )
        # A copy: --set on one must not change the others.
        return None if node is None else _copy(node)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in lines:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} is here and in line {lines[key.value]}", key.start_mark
                )
            lines[key.value] = key.start_mark.line + 1
        return node


class _Loader(_Composer, yaml.SafeLoader):
    """A safe loader that keeps what was written."""


class _QuickLoader(_Composer, yaml.CSafeLoader):
    """The same over libyaml's parser, in a sixth of the time; what is wrong is said in other words."""

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        Composer.__init__(self)


def _copy(node: yaml.Node) -> yaml.Node:
    """Returns a node that shares with another what is never changed: its marks."""
    made = copy.copy(node)
    if isinstance(node, yaml.SequenceNode):
        made.value = [_copy(each) for each in node.value]
    elif isinstance(node, yaml.MappingNode):
        made.value = [(_copy(key), _copy(value)) for key, value in node.value]
    return made


def _size(node: yaml.Node | None, most: int) -> int:
    """Returns the number of values in a node, itself included; no longer exact above `most`."""
    count, waiting = 0, [node]
    while waiting and count <= most:
        each = waiting.pop()
        count += 1
        if isinstance(each, yaml.SequenceNode):
            waiting += each.value
        elif isinstance(each, yaml.MappingNode):
            waiting += [part for pair in each.value for part in pair]
    return count


def _keep(kind: str) -> None:
    read = getattr(yaml.SafeLoader, f"construct_yaml_{kind}")

    def construct(loader: _Loader, node: yaml.ScalarNode) -> Any:
        try:
            value = read(loader, node)
        except (ValueError, OverflowError) as error:  # such as 0x_, hexadecimal without a digit
            value = ValueError(f"{node.value!r} cannot be read as {kind}: {error}")
        return LiteralValue(node.value, value) if not node.style else value

    for each in (_Loader, _QuickLoader):
        each.add_constructor(f"tag:yaml.org,2002:{kind}", construct)


for _kind in ("int", "float", "bool"):
    _keep(_kind)
for _loader in (_Loader, _QuickLoader):  # nothing here is a date
    _loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: str(node.value))


def _load(text: str, where: str, lines: bool) -> Any:
    with contextlib.suppress(yaml.YAMLError, RecursionError):
        return yaml.load(text, _QuickLoader)  # a safe loader, as is the other
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark and lines else ""
        hint = "; indent with spaces" if "'\\t'" in str(error.problem) else ""
        context = f"{error.context}, " if error.context else ""
        raise ValueError(f"{where}{line}: not valid YAML: {context}{error.problem}{hint}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError(f"{where}: not valid YAML: nested too deeply") from None


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Returns the types of a union, without `Annotated`; None is one of them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(kind for each in get_args(annotation) for kind in _kinds(each))
    if origin is Literal:
        return tuple(dict.fromkeys(type(each) for each in get_args(annotation)))
    return (annotation,)


def _chosen(value: LiteralValue, kinds: Sequence[Any]) -> Any:
    if any(kind in (str, Path) for kind in kinds):
        if not value and _NONE in kinds:
            return None
        others = [kind for kind in kinds if kind not in (str, Path, _NONE)]
        if not any(_fits(value.value, kind) for kind in others):
            return str(value)
    if isinstance(value.value, ValueError):
        raise value.value
    return resolved(value.value, Union[tuple(kinds)])  # noqa: UP007, a tuple of them


def _fits(value: Any, kind: Any) -> bool:
    """Returns whether YAML's reading of a value is of that kind."""
    origin = get_origin(kind) or kind
    if isinstance(value, bool):
        return origin is bool
    if isinstance(value, int | float):
        return origin is float or (origin is int and isinstance(value, int))
    if isinstance(value, list):
        return origin in (list, tuple, set, frozenset, Sequence)
    if isinstance(value, Mapping):
        return origin in (dict, Mapping) or dataclasses.is_dataclass(origin) or _is_model(origin)
    return False


def _mapping(fields: Mapping[Any, Any], kinds: Sequence[Any]) -> Any:
    if any(_is_model(kind) for kind in kinds):
        return fields
    for kind in kinds:
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            hints = _hints(kind)
            return {str(name): resolved(each, hints.get(str(name), Any)) for name, each in fields.items()}
        if get_origin(kind) in (dict, Mapping):
            key, value = get_args(kind)
            return {resolved(name, key): resolved(each, value) for name, each in fields.items()}
    return {resolved(name, str): resolved(each, Any) for name, each in fields.items()}


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _element(kinds: Sequence[Any], index: int) -> Any:
    for kind in kinds:
        arguments = [each for each in get_args(kind) if each is not Ellipsis]
        if get_origin(kind) in (list, set, frozenset, Sequence, tuple) and arguments:
            return arguments[min(index, len(arguments) - 1)]
    return Any


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
