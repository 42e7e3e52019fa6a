from __future__ import annotations

import pytest

from pipeline.engine.error_kind import LONGEST, count_kinds, error_kind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "ValueError: /data/a b.jpg: 12 of 30 bytes are missing",
            "ValueError: /data/a c.jpg: 3 of 4,000 bytes are missing",
        ),
        ("cannot read '0--Parade/x.jpg'", "cannot read '1--Handshaking/y.png'"),
        ("img_001.jpg: no image", "img_7.JPEG: no image"),
        ("its worker process died 3 times on it", "its worker process died 2 times on it"),
        ("took 12.5 s, allowed are 10 s", "took 99 s, allowed are 10 s"),
    ],
)
def test_equal_errors_of_two_items_are_of_one_kind(one, other):
    assert error_kind(one) == error_kind(other)


def test_other_errors_are_of_another():
    assert error_kind("no image") != error_kind("an empty file")
    assert error_kind("OSError: /a/b.jpg: Permission denied") == "OSError: …: Permission denied"


def test_a_kind_is_one_short_line():
    kind = error_kind("first line\n  second " + "x" * 500)
    assert kind.startswith("first line second x")
    assert len(kind) == LONGEST


def test_kinds_are_counted_the_most_frequent_first():
    errors = [("a", "no image"), ("b", "12 bytes missing"), ("c", "7 bytes missing")]
    assert count_kinds(errors) == [("N bytes missing", 2, "b"), ("no image", 1, "a")]
    assert count_kinds([]) == []
