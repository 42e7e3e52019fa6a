"""Which mistakes are made of a module, on a tiny one."""

from __future__ import annotations

import ast

import pytest

from tests.mutation.changes import Mistake, mistakes


def made(source: str) -> set[str]:
    """Bodies of the changed modules, without the function's head."""
    found = mistakes(f"def f(a, b):\n    {source}\n")
    return {" ".join(each.source.split("\n", 1)[1].split()) for each in found}


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("return a < b", {"return a <= b"}),
        ("return a == b", {"return a != b"}),
        ("return a + b", {"return a - b"}),
        ("a += b", {"a -= b", "pass"}),
        ("return a and b", {"return a or b", "return a", "return b"}),
        ("return not a", {"return a"}),
        ("return -a", {"return a"}),
        ("return True", {"return False"}),
        ("return 3", {"return 4"}),
        ("return 0.5", {"return 0.75"}),
        ("return a if b else 0", {"return 0 if b else a", "return a if b else 1"}),
        ("return sorted(a, key=b)", {"return sorted(a)", "return list(a)"}),
        ("return a.astype(np.float64)", {"return a.astype(np.float32)"}),
        ("return a.double()", {"return a.float()"}),
        ("return min(a)", {"return max(a)"}),
        ("return [x for x in a if x]", {"return [x for x in a]"}),
        ("a(b)\n    b(a)", {"pass b(a)", "a(b) pass", "b(a) a(b)"}),
        ("a[b] = a", {"pass"}),
        ("a = a.b(b)", {"pass"}),
        ("a = b", set()),
        ("raise ValueError(f'{1 + 2}')", {"pass"}),
        ("if a:\n        return", {"pass", "if not a: return", "if a: pass"}),
        ("if a:\n        b()\n    else:\n        a()", {
            "if not a: b() else: a()", "if a: pass else: a()", "if a: b() else: pass",
        }),
        ("assert a < b", set()),
        ("'what it does'", set()),
        ("import a", set()),
        ("return a(device=b)", set()),
        ("return zip(a, b, strict=False)", {"return zip(a, b, strict=True)"}),
    ],
)  # fmt: skip
def test_mistakes_of_a_statement(source: str, wanted: set[str]) -> None:
    assert made(source) == wanted


SOURCE = '''"""What it is for."""
from typing import Literal
Form = Literal["left", "right"]
LIMIT = 2

class A:
    size: Literal["left"] = "left"

    @property
    def long(self) -> int:
        """Says whether."""
        return self.size > LIMIT

@no_grad()
def f(x):
    return x
'''


def test_where_a_mistake_is_and_what_it_changes() -> None:
    found = {each.kind: each for each in mistakes(SOURCE)}
    longer = found["comparison"]
    assert (longer.where, longer.line) == ("A.long", 12)
    assert (longer.before, longer.after) == ("return self.size > LIMIT", "return self.size >= LIMIT")
    assert str(longer) == "line 12, A.long, comparison: return self.size > LIMIT  ->  return self.size >= LIMIT"
    assert found["dropped decorator"].after == "def f(x):"
    assert {each.line for each in mistakes(SOURCE)} == {4, 7, 12, 15}


def test_swapped_statements_are_named_by_the_first_of_them() -> None:
    (swapped,) = (
        each for each in mistakes("def f():\n    'does'\n    a()\n    b()\n") if each.kind == "swapped statements"
    )
    assert (swapped.line, swapped.before, swapped.after) == (3, "a()", "b()")


def test_each_differs_from_the_module_and_from_all_others_in_one_place() -> None:
    found = mistakes(SOURCE)
    plain, *others = (ast.unparse(ast.parse(text)) for text in (SOURCE, *(each.source for each in found)))
    assert len({plain, *others}) == len(found) + 1
    for each, other in zip(found, others, strict=True):
        changed = sum(a != b for a, b in zip(plain.splitlines(), other.splitlines(), strict=False))
        assert changed == 1 or each.kind == "dropped decorator"
    assert found == mistakes(SOURCE)


def test_a_long_line_is_shown_where_it_differs() -> None:
    shown = str(Mistake("k", "f", 1, "a" * 90 + " + " + "b" * 90, "a" * 90 + " - " + "b" * 90, ""))
    assert shown == f"line 1, f, k: ..{'a' * 27} + {'b' * 27}..  ->  ..{'a' * 27} - {'b' * 27}.."
