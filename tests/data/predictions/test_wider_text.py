from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipeline.data.predictions import wider_text
from pipeline.data.predictions.wider_text import has_count, read_wider_predictions
from tests.data.predictions.conftest import rows_of


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        file = folder / f"{name.replace('__', '/')}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@pytest.mark.parametrize("batch", [1, 1 << 24])
def test_files_at_any_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(wider_text, "_BYTES", batch)
    folder = write(tmp_path, x__e__a="a\n2\n1 2 3 4 0.25\n5 6 7 8 0.5\n", b="b.jpg\n0\n", c="c\n1\n0 0 1 1 7 0.5\n")
    found = read_wider_predictions(folder)
    assert rows_of(found) == {
        "x/e/a": [[5, 6, 12, 14, 0.5], [1, 2, 4, 6, 0.25]],
        "b": [],
        "c": [[0, 0, 1, 1, 0.5]],  # the last number is the score
    }
    assert found.scores[found.offsets[found.names.index("x/e/a")]] == 0.25  # rows keep their order


def test_more_rows_than_the_count_are_a_remark(tmp_path: Path) -> None:
    found = read_wider_predictions(write(tmp_path, a="a\n1\n1 2 3 4 0.25\n5 6 7 8 0.5\n"))
    assert found.scores.tolist() == [0.25]
    assert found.remarks == ("a.txt: line 2 says 1 rows, there are 2",)


def test_a_macs_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "found.zip", "w") as archive:
        archive.writestr("e/a.txt", "a\n1\n1 2 3 4 0.25\n")
        archive.writestr("__MACOSX/e/._a.txt", b"\0\5\x16\7")
    assert rows_of(read_wider_predictions(tmp_path / "found.zip")) == {"e/a": [[1, 2, 4, 6, 0.25]]}


def test_mistakes_are_named(tmp_path: Path) -> None:
    bad = write(tmp_path / "bad", a="a\n1\n1 2 3 4\n", b="b\n0\n", c="c\nx\n")
    with pytest.raises(
        ValueError, match=r"bad: 2 malformed files:\na\.txt:3: expected a row .*\nc\.txt:2: expected the number"
    ):
        read_wider_predictions(bad)
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError, match="found no .txt"):
        read_wider_predictions(tmp_path / "none")
    twice = tmp_path / "twice"
    write(twice, a="a\n0\n")
    (twice / "a.TXT").write_text("a\n0\n")
    with pytest.raises(ValueError, match=r"expected one file of each image, found a\.(txt|TXT) twice"):
        read_wider_predictions(twice)


@pytest.mark.parametrize(
    ("lines", "fits"),
    [
        (["a", "0"], True),
        (["a", "2.0", "1 2 3 4 5"], True),
        (["7", "1", "1,2,3,4,5"], True),
        (["a"], False),
        (["a", "b"], False),
        (["a", "-1"], False),
        (["a", "1.5"], False),
        (["a", "1", "b"], False),
        (["a 0.5 1 2 3 4", "b 0.5 1 2 3 4"], False),
    ],
)
def test_a_count_is_on_the_second_line(lines: list[str], fits: bool) -> None:
    assert has_count(lines) == fits
