from __future__ import annotations

import pytest

from pipeline.data.image_names import NameIndex, plain_name, without_ending


@pytest.mark.parametrize("name", ["2008_000008.jpg", "2008_000008.JPEG", "2008_000008"])
def test_an_ending_of_an_image_is_no_part_of_a_name(name: str) -> None:
    assert without_ending(name) == "2008_000008"


def test_other_dots_are() -> None:
    assert without_ending("a.b.c") == "a.b.c"


@pytest.mark.parametrize("name", ["e/a.jpg", "./e/a.jpg", ".\\e\\a.jpg", " /e//a.jpg ", "e/./a.jpg"])
def test_a_plain_name(name: str) -> None:
    assert plain_name(name) == "e/a.jpg"


@pytest.mark.parametrize(
    ("wanted", "name", "found"),
    [
        (["1004109301"], "1004109301.jpg", "1004109301"),
        (["1004109301.jpg"], "1004109301", "1004109301.jpg"),
        (["1.jpg"], "/data/afw/1.png", "1.jpg"),
        (["event/1.jpg"], "1", "event/1.jpg"),
        (["event/1.jpg"], "C:\\images\\event\\1.jpg", "event/1.jpg"),
        (["event/1.jpg"], "./event/1.jpg", "event/1.jpg"),
        (["./event/1.jpg"], "event/1", "./event/1.jpg"),
        (["event/1.jpg"], "other/1.jpg", None),
        (["a/1.jpg", "b/1.jpg"], "b/1", "b/1.jpg"),
        (["a/1.jpg", "b/1.jpg"], "/photos/b/1.jpg", "b/1.jpg"),
        (["a/1.jpg", "1.jpg"], "photos/a/1.jpg", "a/1.jpg"),
        (["a/1.jpg", "b/1.jpg"], "c/1.jpg", None),
        (["1.jpg", "1.png"], "1.png", "1.png"),
        (["1"], "", None),
        (["1"], "./", None),
        ([], "1", None),
        (["0--Parade/A_1"], "0--parade/a_1.JPG", "0--Parade/A_1"),
        (["a.jpg", "A.jpg"], "x/a.jpg", "a.jpg"),
        (["a.jpg", "A.jpg"], "A", "A.jpg"),  # the case decides where it can
        (["caf\u00e9.jpg"], "cafe\u0301.jpg", "caf\u00e9.jpg"),
        (["000000000139.jpg", "000000000140.jpg"], "139", "000000000139.jpg"),
        (["photos/07"], "007.png", "photos/07"),
    ],
)
def test_a_name_means_one_image_or_none(wanted: list[str], name: str, found: str | None) -> None:
    assert NameIndex(wanted).find(name) == found


@pytest.mark.parametrize(
    ("wanted", "name", "shown"),
    [
        (["a/1.jpg", "b/1.jpg"], "1.jpg", "a/1.jpg and b/1.jpg"),
        (["1.jpg", "1.png"], "1", "1.jpg and 1.png"),
        (["aB.jpg", "Ab.jpg"], "ab.jpg", "aB.jpg and Ab.jpg"),
        (["01.jpg", "001.jpg"], "1", "01.jpg and 001.jpg"),
        ([f"{folder}/1" for folder in "abcde"], "1", "a/1 and b/1 and c/1 and 2 more"),
    ],
)
def test_a_name_of_several_images_is_refused_with_them(wanted: list[str], name: str, shown: str) -> None:
    with pytest.raises(ValueError, match="expected the name of one image") as error:
        NameIndex(wanted).find(name)
    assert str(error.value) == f"{name}: expected the name of one image, found {shown}"
