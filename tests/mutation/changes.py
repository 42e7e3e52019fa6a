"""Small mistakes made on purpose in a module: each changes one place of its syntax tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_PAIRS = (
    ("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("any", "all"), ("floor", "ceil"),
    ("amin", "amax"), ("zeros", "ones"), ("zeros_like", "ones_like"),
)  # fmt: skip
_NAMES = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])} | {"float64": "float32", "double": "float"}
_TEXTS = {"left": "right", "right": "left", "amin": "amax", "amax": "amin"}
_NEEDED = frozenset({"property", "classmethod", "staticmethod", "abstractmethod", "cached_property"})
_UNTOLD = frozenset({"device", "repr"})  # what tests without a GPU cannot see; how a dataclass prints itself
_SCOPES = ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mistake:
    """One changed module.

    Attributes:
        kind: what sort of mistake.
        where: the function or class it is in, with dots; empty at the top.
        line: in the original.
        before, after: first line of the statement, without and with it.
        source: the whole changed module.
    """

    kind: str
    where: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.where or 'top'}, {self.kind}"
        return f"{place}: {_middle(self.before, self.after)}  ->  {_middle(self.after, self.before)}"


@dataclass
class _Place:
    """Where a node, or a list of them, hangs: `holder[key]` of a list, or attribute `key`."""

    holder: Any
    key: str | int
    statement: ast.stmt
    where: str
    line: int

    def put(self, node: Any) -> None:
        if isinstance(self.key, int):
            self.holder[self.key] = node
        else:
            setattr(self.holder, self.key, node)


def mistakes(source: str) -> list[Mistake]:
    """Returns every mistake that can be made in a module, each once, in its order."""
    tops, found, seen = ast.parse(source).body, [], set()
    texts = [ast.unparse(top) for top in tops]
    for number, top in enumerate(tops):
        part = ast.Module([top], [])
        for place, kind, old, new in list(_edits(part)):
            before = _headline(place.statement)
            place.put(new)
            changed = "\n\n".join([*texts[:number], ast.unparse(ast.fix_missing_locations(part)), *texts[number + 1 :]])
            one = next(a for a, b in zip(new, old, strict=True) if a is not b) if isinstance(new, list) else new
            after = _headline(one if isinstance(one, ast.stmt) else place.statement)
            place.put(old)
            if changed not in seen:
                seen.add(changed)
                found.append(Mistake(kind, place.where, place.line, before, after, changed + "\n"))
    return found


def _headline(statement: ast.stmt) -> str:
    """Returns the line that begins a statement; where that is a decorated function, its decorators too."""
    lines = ast.unparse(statement).splitlines()
    return " ".join(lines[: 1 + next(i for i, line in enumerate(lines) if not line.startswith("@"))])


def _middle(text: str, other: str, around: int = 28) -> str:
    """Returns the part of a line in which it differs from another one, with what is around it."""
    start = _alike(text, other)
    end = _alike(text[:start:-1], other[:start:-1])
    first, last = max(0, start - around), min(len(text), len(text) - end + around)
    return f"{'..' if first else ''}{text[first:last]}{'..' if last < len(text) else ''}"


def _alike(text: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False)))


def _edits(tree: ast.Module) -> Iterator[tuple[_Place, str, Any, Any]]:
    """Yields (place, kind, what is there, what to put there instead)."""
    for place, node in _walk(tree, "", tree.body[0]):
        changes = _statements(node) if isinstance(node, ast.stmt) else _expressions(node)
        yield from ((place, kind, node, other) for kind, other in changes)
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            for i, (one, two) in enumerate(pairwise(block if isinstance(block, list) else ())):
                if isinstance(one, ast.Expr) and isinstance(two, ast.Expr) and not _is_docstring(one):
                    pair = _Place(node, name, one, place.where, one.lineno)
                    yield pair, "swapped statements", block, [*block[:i], two, one, *block[i + 2 :]]


def _walk(node: ast.AST, where: str, statement: ast.stmt) -> Iterator[tuple[_Place, ast.AST]]:
    for name, value in ast.iter_fields(node):
        if _is_outside(node, name):
            continue
        for key, child in enumerate(value) if isinstance(value, list) else [(name, value)]:
            # Messages are no behaviour that a test should pin to the letter.
            skipped = isinstance(child, ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr) or _is_docstring(
                child
            )
            if skipped or not isinstance(child, ast.AST):
                continue
            here = child if isinstance(child, ast.stmt) else statement
            inner = f"{where}.{child.name}".lstrip(".") if isinstance(child, _SCOPES) else where
            holder = value if isinstance(value, list) else node
            yield _Place(holder, key, here, inner, getattr(child, "lineno", here.lineno)), child
            if not isinstance(child, ast.Raise):
                yield from _walk(child, inner, here)


def _is_outside(node: ast.AST, name: str) -> bool:
    """Returns whether a field of a node is no behaviour: annotations, decorators, what only type checkers read."""
    annotated = name in ("annotation", "returns", "type_params") or (isinstance(node, _SCOPES) and name == "bases")
    typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    alias = isinstance(node, ast.Assign) and "Literal[" in ast.unparse(node.value)
    untold = isinstance(node, ast.keyword) and node.arg in _UNTOLD
    return annotated or typing_only or alias or untold or name == "decorator_list"


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _with(node: Any, **fields: Any) -> Any:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _without(values: list[Any]) -> Iterator[list[Any]]:
    for i in range(len(values)):
        yield values[:i] + values[i + 1 :]


def _statements(node: ast.stmt) -> Iterator[tuple[str, Any]]:
    gone = ast.Pass()
    if isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete):
        yield "dropped statement", gone
    if isinstance(node, ast.AugAssign) and type(node.op) in _ARITHMETIC:
        yield "operator", _with(node, op=_ARITHMETIC[type(node.op)]())
    if isinstance(node, ast.Assign):
        target, text = node.targets[0], ast.unparse(node.targets[0])
        again = isinstance(target, ast.Name) and any(
            isinstance(each, ast.Name) and each.id == text for each in ast.walk(node.value)
        )
        if again or isinstance(target, ast.Attribute | ast.Subscript):
            yield "dropped statement", gone
    if isinstance(node, ast.If):
        if not node.orelse:
            yield "dropped statement", gone
        yield "swapped branches", _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Return) and node.value is None:
        yield "dropped statement", gone
    if isinstance(node, ast.FunctionDef):
        for rest in (
            _without(node.decorator_list) if not _NEEDED & {ast.unparse(d) for d in node.decorator_list} else ()
        ):
            yield "dropped decorator", _with(node, decorator_list=rest)


def _expressions(node: ast.AST) -> Iterator[tuple[str, Any]]:
    for kind, change in _CHANGES.get(type(node), {}).items():
        for other in change(node):
            yield kind, other


def _compare(node: ast.Compare) -> Iterator[ast.expr]:
    for i, op in enumerate(node.ops):
        if type(op) in _COMPARE:
            yield _with(node, ops=[*node.ops[:i], _COMPARE[type(op)](), *node.ops[i + 1 :]])


def _arithmetic(node: ast.BinOp) -> Iterator[ast.expr]:
    if type(node.op) in _ARITHMETIC:
        yield _with(node, op=_ARITHMETIC[type(node.op)]())


def _logic(node: ast.BoolOp) -> Iterator[ast.expr]:
    yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for rest in _without(node.values):
        yield rest[0] if len(rest) == 1 else _with(node, values=rest)


def _constant(node: ast.Constant) -> Iterator[ast.expr]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield ast.Constant(value + 1)
    elif isinstance(value, float):
        yield ast.Constant(value * 1.5 if value else 1.0)
    elif isinstance(value, str) and value in _TEXTS:
        yield ast.Constant(_TEXTS[value])


def _keywords(node: ast.Call) -> Iterator[ast.expr]:
    for keyword, rest in zip(node.keywords, _without(node.keywords), strict=True):
        if ast.unparse(keyword) != "strict=False" and keyword.arg not in _UNTOLD:  # zip does so anyway
            yield _with(node, keywords=rest)


def _order(node: ast.Call) -> Iterator[ast.expr]:
    if isinstance(node.func, ast.Name) and node.func.id in ("sorted", "reversed") and len(node.args) == 1:
        yield ast.Call(ast.Name("list", ast.Load()), node.args, [])


def _condition(node: ast.IfExp) -> Iterator[ast.expr]:
    yield _with(node, body=node.orelse, orelse=node.body)


def _filter(node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Iterator[ast.expr]:
    for i, each in enumerate(node.generators):
        for rest in _without(each.ifs):
            yield _with(node, generators=[*node.generators[:i], _with(each, ifs=rest), *node.generators[i + 1 :]])


_CHANGES: dict[type[ast.AST], dict[str, Callable[[Any], Iterator[ast.expr]]]] = {
    ast.Compare: {"comparison": _compare},
    ast.BinOp: {"operator": _arithmetic},
    ast.BoolOp: {"condition": _logic},
    ast.UnaryOp: {"dropped sign": lambda node: iter([node.operand])},
    ast.Constant: {"constant": _constant},
    ast.Call: {"dropped keyword": _keywords, "order": _order},
    ast.Name: {"name": lambda node: (_with(node, id=_NAMES[n]) for n in [node.id] if n in _NAMES)},
    ast.Attribute: {"name": lambda node: (_with(node, attr=_NAMES[n]) for n in [node.attr] if n in _NAMES)},
    ast.IfExp: {"swapped branches": _condition},
    **{kind: {"dropped filter": _filter} for kind in (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)},
}
