from __future__ import annotations

import enum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pipeline.engine.fingerprint import canonical, difference, hash_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Colour(enum.Enum):
    RED = "red"


class Model(BaseModel):
    a: int
    b: tuple[float, ...]


def test_order_of_keys_does_not_matter_and_values_do():
    assert hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    assert hash_json({"a": 1}) != hash_json({"a": 2})
    assert hash_json({"a": None}) != hash_json({})


def test_models_tuples_and_enums_have_one_form():
    assert canonical(Model(a=1, b=(0.5, 2.0))) == {"a": 1, "b": [0.5, 2]}
    assert canonical(Colour.RED) == "red"
    assert hash_json(1.0) == hash_json(1)
    assert hash_json(True) != hash_json("True")


@pytest.mark.parametrize("value", [object(), {1: 2}, float("nan"), float("inf"), b"bytes", {"x": {"y": {3}}}])
def test_a_value_without_a_stable_form_raises(value):
    with pytest.raises(ValueError, match="stable form|text keys"):
        hash_json(value)


def test_the_place_of_the_bad_value_is_named():
    with pytest.raises(ValueError, match=r"boxes\.sizes\[1\]"):
        canonical({"sizes": [1, {2}]}, "boxes")


@given(PLAIN, PLAIN)
def test_difference_is_empty_exactly_for_equal_values(a, b):
    a, b = canonical(a), canonical(b)
    assert (difference(a, b) == []) == (a == b)


def test_difference_names_leaves():
    old = {"params": {"canvas": "8k", "max_candidates": 5000}, "gone": 1}
    new = {"params": {"canvas": "original", "max_candidates": 5000}, "added": 2}
    assert difference(old, new) == [
        ("added", "(absent)", 2),
        ("gone", 1, "(absent)"),
        ("params.canvas", "8k", "original"),
    ]
