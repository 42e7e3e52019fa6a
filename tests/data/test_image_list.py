from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.image_list import match_image_list, read_image_list

IMAGES = ("0--Parade/a_1", "0--Parade/a_2", "1--Handshaking/a_1")


@pytest.mark.parametrize(
    "text",
    [
        "0--Parade/a_2\n1--Handshaking/a_1\n",
        "\ufeff./0--Parade/a_2.jpg\r\n./1--Handshaking/a_1.jpg\r\n",
        "# two\n\n.\\0--Parade\\a_2.jpg\n1--Handshaking\\a_1.jpg",
        "0--parade/A_2.JPG\n1--HANDSHAKING/a_1.jpg\n",
        "/data/WIDER_val/images/0--Parade/a_2.jpg\n /data/WIDER_val/images/1--Handshaking/a_1.jpg \n",
        "a_2.png\n1--Handshaking/a_1\na_2\n",
    ],
)
def test_lists_of_every_style_are_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(text.encode())
    found = match_image_list(file, IMAGES)
    assert (found.image_ids, found.unknown) == (("0--Parade/a_2", "1--Handshaking/a_1"), ())


def test_unknown_names_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("x/a_9.jpg\n0--Parade/a_1\nx/a_9.jpg\n")
    found = match_image_list(tmp_path / "list.txt", IMAGES)
    assert (found.image_ids, found.unknown) == (("0--Parade/a_1",), ("x/a_9.jpg",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a_1\n", "a_1: expected the name of one image, found 0--Parade/a_1 and 1--Handshaking/a_1"),
        ("x/1.jpg\nx/2.jpg\n", "expected names of images such as 0--Parade/a_1, found none: x/1.jpg and the like"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ValueError, match="expected") as error:
        match_image_list(tmp_path / "list.txt", IMAGES)
    assert str(error.value) == f"{tmp_path}/list.txt: {words}"


def test_no_list_at_all(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# none\n\n")
    with pytest.raises(ValueError, match="lists no image"):
        read_image_list(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_bytes("e/é\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"list\.txt:1: expected text in UTF-8, found byte 0xe9"):
        read_image_list(tmp_path / "list.txt")
