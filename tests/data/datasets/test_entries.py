"""Entries: order, uniqueness, and the same entries as a list of them."""

import pytest

from pipeline.data.datasets.entries import Entries, Entry, in_order, name_bytes, name_of

NAMES = ("zürich 雪.jpg", "b\udcff.jpg", "a.jpg", "\U0001f600.jpg", "caf\udce9/c.jpg", "\uffff.jpg", "Z.jpg")
LISTED = [Entry(name.removesuffix(".jpg"), name, str(number)) for number, name in enumerate(NAMES)]


def test_sorted_by_id() -> None:
    entries = [Entry(name, f"{name}.jpg", "") for name in ("b", "a", "c")]
    assert [entry.image_id for entry in in_order(entries)] == ["a", "b", "c"]


def test_names_sort_as_text_does_and_come_back_whatever_bytes_they_have() -> None:
    assert list(in_order(iter(LISTED))) == sorted(LISTED, key=lambda entry: entry.image_id)
    assert [name_of(name_bytes(name)) for name in NAMES] == list(NAMES)


def test_a_doubled_id_names_both_files() -> None:
    with pytest.raises(ValueError, match=r"'a' is listed twice: as a\.jpg and as a\.png"):
        in_order([Entry("a", "a.jpg", ""), Entry("b", "b.jpg", ""), Entry("a", "a.png", "")])


def test_columns_are_the_entries() -> None:
    entries = Entries.of(LISTED)
    assert entries == LISTED and Entries.of(entries) is entries
    assert [entries[place] for place in (0, 3, -1)] == [LISTED[place] for place in (0, 3, -1)]
    for part in (slice(2, 5), slice(5, 2), slice(None, None, -2), slice(-3, 99)):
        assert list(entries[part]) == LISTED[part]
    assert entries != LISTED[:-1] and entries != LISTED[::-1] and entries != 7
    with pytest.raises(IndexError):
        entries[7]
    assert list(in_order([])) == [] == list(Entries.of([]))


def test_more_entries_than_are_objects_at_once() -> None:
    listed = [Entry(f"{number:05d}", f"{number}.png", "v") for number in range(20_000)]
    assert list(in_order(reversed(listed))) == listed
