from __future__ import annotations

import pytest

from pipeline.engine.registry import Registry, nearest

FRUIT = Registry("fruit", {"pear": 1, "apple": 2})


def test_it_is_a_mapping_in_the_order_given() -> None:
    assert dict(FRUIT) == {"pear": 1, "apple": 2}
    assert list(FRUIT) == ["pear", "apple"] and len(FRUIT) == 2
    assert "pear" in FRUIT and "plum" not in FRUIT and FRUIT.get("plum") is None
    with pytest.raises(KeyError):
        FRUIT["plum"]


def test_an_unknown_name_is_answered_with_the_nearest_one_and_the_choices() -> None:
    assert FRUIT.find("apple") == 2
    with pytest.raises(
        ValueError, match=r"^no fruit is called 'appel' \(did you mean 'apple'\?; choices: pear, apple\)$"
    ):
        FRUIT.find("appel")
    with pytest.raises(ValueError, match=r"^no fruit is called 'x' \(choices: pear, apple\)$"):
        FRUIT.find("x")


def test_the_nearest_or_all_choices() -> None:
    assert nearest("squarez", ["cubes", "squares"]) == " (did you mean 'squares'?)"
    assert nearest("zzz", ["squares", "cubes"]) == " (choices: squares, cubes)"
    assert nearest("zzz", []) == ""
    assert nearest("zzz", iter(["b", "a"])) == " (choices: b, a)"
    assert nearest("cube", ["cubed", "cubes", "squares", "cub"]) == " (did you mean 'cubes'?)"


def test_entries_given_are_not_changed_afterwards() -> None:
    entries = {"pear": 1}
    registry = Registry("fruit", entries)
    entries["plum"] = 3
    assert list(registry) == ["pear"]


def test_a_known_name_is_given_back_and_another_refused_as_by_find() -> None:
    entries = Registry("detector", {"mogface": 1})
    assert entries.known("mogface") == "mogface"
    with pytest.raises(ValueError, match="no detector is called 'mogfac'"):
        entries.known("mogfac")
