from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.data.datasets.labels.json_array import stream_array

VALUES = [{"a": [1, {"b": "],[}"}]}, 12345, "text, with ] and \\ \u20ac", None, [], -1.5e-3, True]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_elements_across_the_ends_of_chunks(tmp_path: Path, chunk: int, indent: int | None) -> None:
    file = tmp_path / "a.json"
    file.write_text(f"\ufeff\n {json.dumps(VALUES, indent=indent, ensure_ascii=False)} \n", encoding="utf-8")
    assert list(stream_array(file, chunk)) == VALUES


@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_an_empty_array(tmp_path: Path, chunk: int) -> None:
    (tmp_path / "a.json").write_text("[ ]")
    assert list(stream_array(tmp_path / "a.json", chunk)) == []


def test_only_a_chunk_is_read_ahead(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1, 2, 3, what is no JSON")
    elements = stream_array(tmp_path / "a.json", 2)
    assert [next(elements), next(elements), next(elements)] == [1, 2, 3]


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a JSON array, found ''"),
        ("{}", "expected a JSON array, found '{"),
        ("[1 2]", "[0]: expected a comma after it, found '2"),
        ("[1,]", "[1]: expected an element after the comma, found ]"),
        ("[1, 2", "[1]: expected a comma after it, found ''"),
        ("[1,", "[1]: expected JSON, found the end of the file"),
        ("[1, x]", "[1]: expected JSON, found that "),
        ("[1] 2", "expected nothing after the array, found '2'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str, chunk: int) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="expected") as error:
        list(stream_array(file, chunk))
    assert str(error.value).startswith(f"{file}: {words}")


def test_other_bytes_and_deep_brackets(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b'["\xff"]')
    with pytest.raises(ValueError, match="expected text in UTF-8"):
        list(stream_array(file))
    file.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"a\.json: \[0\]: expected fewer levels of brackets"):
        list(stream_array(file))
