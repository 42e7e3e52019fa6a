from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.predictions import row_batch
from pipeline.data.predictions.listed_rows import image_rows, read_list, short, write_list
from pipeline.data.predictions.table import PredictionTable, PredictionTableBuilder
from tests.data.predictions.conftest import rows_of


def read(folder: Path, text: bytes) -> PredictionTable:
    (folder / "list.txt").write_bytes(text)
    builder = PredictionTableBuilder()
    read_list(folder / "list.txt", builder)
    return builder.build()


@pytest.mark.parametrize("parsed", [1, 2, 100_000])
@pytest.mark.parametrize(
    "text",
    [
        b"e/a\n2\n1 2 3 4 0.5\n5 6 7 8 0.25\ne/b\n0\ne/c\n1\n0 0 1 1 9\n",
        b"\xef\xbb\xbfe/a\r\n2\r\n1 2 3 4 0.5\r\n5 6 7 8 0.25\r\n\r\ne/b\r\n0\r\n\r\n\r\ne/c\r\n1\r\n0 0 1 1 9",
        b"./e/a \n 2 \n1  2 3 4 0.5 \n5\t6 7 8 0.25\ne\\b\n0\ne/c\n1\n0 0 1 1 9\n\n",
    ],
)
def test_images_in_any_spacing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, parsed: int) -> None:
    monkeypatch.setattr(row_batch, "_PARSED", parsed)
    found = rows_of(read(tmp_path, text))
    assert found == {"e/a": [[1, 2, 4, 6, 0.5], [5, 6, 12, 14, 0.25]], "e/b": [], "e/c": [[0, 0, 1, 1, 9]]}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"a\n", 2, "expected the number of rows of a, found nothing"),
        (b"a\nx\n", 2, "expected the number of rows of a, found 'x'"),
        (b"a\n2\n1 2 3 4 5\n", 3, "expected 2 rows of a as line 2 says, found the end of the file after 1"),
        (b"a\n1\n1 2 3 4 5\nb\n1\n1 2 3 4\n", 6, "expected 5 finite numbers (x y w h score), found '1 2 3 4'"),
        (b"a\n1\n1 2 3 4 nan\n", 3, "expected 5 finite numbers (x y w h score), found '1 2 3 4 nan'"),
        (b"a\n0\nb\n0\n./a\n0\n", 5, "expected an image that comes once, found ./a again"),
        (
            b"a\n1\n1 2 3 4 5\n1 2 3 4 6\n",
            4,
            "expected the name of an image (is the count above too small?), found '1 2 3 4 6'",
        ),
        (b"a\n0\n\xff\n0\n", 3, "expected text in UTF-8, found byte 0xff"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: bytes, line: int, words: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        read(tmp_path, text)
    assert str(error.value) == f"{tmp_path / 'list.txt'}:{line}: {words}"


def test_numbers_keep_their_digits(small: PredictionTable, tmp_path: Path) -> None:
    write_list(small, tmp_path / "list.txt")
    assert (tmp_path / "list.txt").read_text().splitlines()[:3] == ["deep/b.jpg", "3", "8 16 32 64 0.75"]
    assert image_rows(np.array([[0.1, 0, 1 / 3, 4]]), np.array([1.0])) == f"1\n0.1 0 {1 / 3 - 0.1!r} 4 1.0\n"
    assert (short(-2.0), short(1e300), short(0.1)) == ("-2", str(int(1e300)), "0.1")
