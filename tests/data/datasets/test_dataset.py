"""Entries: order and uniqueness."""

import pytest

from pipeline.data.datasets.entries import Entry, in_order


def test_sorted_by_id() -> None:
    entries = [Entry(name, f"{name}.jpg", "") for name in ("b", "a", "c")]
    assert [entry.image_id for entry in in_order(entries)] == ["a", "b", "c"]


def test_a_doubled_id_names_both_files() -> None:
    with pytest.raises(ValueError, match=r"'a' is listed twice: as a\.jpg and as a\.png"):
        in_order([Entry("a", "a.jpg", ""), Entry("b", "b.jpg", ""), Entry("a", "a.png", "")])
