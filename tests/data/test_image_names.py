from __future__ import annotations

import pytest

from pipeline.data.image_names import NameIndex, without_ending


@pytest.mark.parametrize("name", ["2008_000008.jpg", "2008_000008.JPEG", "2008_000008"])
def test_an_ending_of_an_image_is_no_part_of_a_name(name: str) -> None:
    assert without_ending(name) == "2008_000008"


def test_other_dots_are() -> None:
    assert without_ending("a.b.c") == "a.b.c"


@pytest.mark.parametrize(
    ("wanted", "name", "found"),
    [
        (["1004109301"], "1004109301.jpg", "1004109301"),
        (["1004109301.jpg"], "1004109301", "1004109301.jpg"),
        (["1.jpg"], "/data/afw/1.png", "1.jpg"),
        (["event/1.jpg"], "1", "event/1.jpg"),
        (["event/1.jpg"], "C:\\images\\event\\1.jpg", "event/1.jpg"),
        (["event/1.jpg"], "other/1.jpg", None),
        (["a/1.jpg", "b/1.jpg"], "1.jpg", None),
        (["a/1.jpg", "b/1.jpg"], "b/1", "b/1.jpg"),
        (["1.jpg", "1.png"], "1.png", "1.png"),
        (["1.jpg", "1.png"], "1", None),
        (["1"], "", None),
        ([], "1", None),
    ],
)
def test_a_name_means_one_image_or_none(wanted: list[str], name: str, found: str | None) -> None:
    assert NameIndex(wanted).find(name) == found
