"""The one form of a value, to the letter: identities of what people have stored are made of it."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from itertools import chain
from types import MappingProxyType

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.fingerprint import ABSENT, canonical, difference, hash_json, hash_texts

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Size(Enum):
    TWO = 2.0


def test_order_of_keys_does_not_matter_and_values_do() -> None:
    assert hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    assert hash_json({"a": 1}) != hash_json({"a": 2})
    assert hash_json({"a": None}) != hash_json({})


def test_keys_are_sorted_at_every_depth() -> None:
    form = canonical({"b": 1, "a": [{"d": 1, "c": 2}], "A": OrderedDict(z=1, y=2)})
    assert list(form) == ["A", "a", "b"]
    assert list(form["A"]) == ["y", "z"]
    assert list(form["a"][0]) == ["c", "d"]


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (1000.0, 1000), (-3.0, -3), (2.0**53 - 1, 2**53 - 1), (2.0**53, 2.0**53), (1e300, 1e300), (0.1, 0.1),
        (2**60, 2**60), (True, True), (None, None), ((1, (2.0,)), [1, [2]]), (Size.TWO, 2),
        (MappingProxyType({"a": 1}), {"a": 1}),
    ],
)  # fmt: skip
def test_one_form(value: object, form: object) -> None:
    assert canonical(value) == form
    assert type(canonical(value)) is type(form)


def test_a_hash_stays_what_it_was() -> None:
    # BLAKE2b-96 of {"a":[1,2.5,null,true],"größe":1}, and 8 bytes of ["c1","a"].
    assert hash_json({"größe": 1, "a": [1, 2.5, None, True]}) == "6cc4ba2f288d50a6279bbdaf"
    assert hash_json(["c1", "a"], size=8) == "4891909ebfb74018"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("inf"), "v: inf has no stable form; use null or a finite number"),
        (float("nan"), "v: nan has no stable form; use null or a finite number"),
        (b"bytes", "v: bytes has no stable form; give a number, text, list or mapping"),
        ({"a": {1: 2}}, "v.a: key 1 is int; use text keys"),
        ({"a": [0, {3}]}, r"v.a\[1\]: set has no stable form; give a number, text, list or mapping"),
    ],
)
def test_what_has_no_form_is_named(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        canonical(value, "v")


def test_a_difference_of_unlike_things_is_one() -> None:
    assert difference({"a": {"b": 1}}, {"a": [1]}) == [("a", {"b": 1}, [1])]
    assert difference({"a": {"b": 1}}, {}) == [("a", {"b": 1}, ABSENT)]
    assert difference(1, 2) == [("", 1, 2)]
    assert difference({}, {}) == difference([1, 2], [1, 2]) == []


@given(PLAIN, PLAIN)
def test_difference_is_empty_exactly_for_equal_values(a: object, b: object) -> None:
    a, b = canonical(a), canonical(b)
    assert (difference(a, b) == []) == (a == b)


def test_difference_names_leaves() -> None:
    old = {"params": {"canvas": "8k", "max_candidates": 5000}, "gone": 1}
    new = {"params": {"canvas": "original", "max_candidates": 5000}, "added": 2}
    assert difference(old, new) == [
        ("added", "(absent)", 2),
        ("gone", 1, "(absent)"),
        ("params.canvas", "8k", "original"),
    ]


def texts(*values: str) -> pa.StringArray:
    return pa.array(values, pa.string())


def test_a_hash_of_columns_stays_what_it_was() -> None:
    # Another one would compute everything again that people have stored.
    assert hash_texts(texts("n003", "größe"), texts("3", "1"), size=8) == "9001159d42321a95"
    assert hash_texts() == "b8e1dda3ac0aa3820ad2990b"


@given(st.lists(st.lists(st.text(alphabet="ab", max_size=3), max_size=4), max_size=3))
def test_columns_of_equal_hash_are_equal(columns: list[list[str]]) -> None:
    found = hash_texts(*(texts(*column) for column in columns))
    # Slices, and text cut elsewhere, count as what they hold.
    assert found == hash_texts(*(texts("x", *column, "y")[1:-1] for column in columns))
    for other in ([*columns, []], [["".join(column)] for column in columns], columns[::-1], [list(chain(*columns))]):
        assert (found == hash_texts(*(texts(*column) for column in other))) == (other == columns)
