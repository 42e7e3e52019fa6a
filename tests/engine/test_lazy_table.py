from __future__ import annotations

import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.engine.lazy_table import LazyTable


def test_an_entry_is_what_its_module_has() -> None:
    numbers = LazyTable[type]({"fraction": "fractions.Fraction", "decimal": "decimal.Decimal"})
    assert numbers["decimal"] is Decimal and numbers.get("fraction") is Fraction
    assert list(numbers.items()) == [("fraction", Fraction), ("decimal", Decimal)]
    assert {**numbers, "whole": int} == {"fraction": Fraction, "decimal": Decimal, "whole": int}
    assert numbers.get("whole") is None
    with pytest.raises(KeyError, match="whole"):
        numbers["whole"]


def test_names_need_no_import_and_an_entry_its_own_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_apple.py").write_text("class Apple: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    fruit = LazyTable[type]({"pear": "lazy_pear.Pear", "apple": "lazy_apple.Apple"})
    assert (list(fruit), len(fruit), "pear" in fruit, "plum" in fruit) == (["pear", "apple"], 2, True, False)
    assert "lazy_apple" not in sys.modules
    assert fruit["apple"].__module__ == "lazy_apple"
    monkeypatch.delitem(sys.modules, "lazy_apple")
    with pytest.raises(ModuleNotFoundError, match="lazy_pear"):
        fruit["pear"]


def test_a_test_may_add_an_entry_and_take_it_away() -> None:
    numbers = LazyTable[type]({"decimal": "decimal.Decimal"})
    numbers["whole"] = int
    numbers["fraction"] = "fractions.Fraction"
    assert (numbers["whole"], numbers["fraction"]) == (int, Fraction)
    del numbers["whole"]
    assert list(numbers) == ["decimal", "fraction"]
