from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.data.datasets.labels.json_array import stream_array

VALUES = [{"a": [1, {"b": "],[}"}]}, 12345, "text, with ] and \\ \u20ac", None, [], -1.5e-3, True, "x" * 200_000, 7]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_elements_are_those_of_the_whole_file(tmp_path: Path, indent: int | None, bom: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(f"{bom}\n {json.dumps(VALUES, indent=indent, ensure_ascii=False)} \n", encoding="utf-8")
    found = list(stream_array(file))
    assert found == VALUES
    assert [type(each) for each in found] == [type(each) for each in VALUES]


def test_an_empty_array(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[ ]")
    assert list(stream_array(tmp_path / "a.json")) == []


def test_the_file_is_not_read_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(f"[1, 2, {'3, ' * 200_000} what is no JSON")
    elements = stream_array(tmp_path / "a.json")
    assert [next(elements), next(elements), next(elements)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ": expected a JSON array, found ''"),
        ("{}", ": expected a JSON array, found '{}'"),
        ('["a" 2]', ": [1]: expected JSON, found that parse error"),
        ('["a",]', ": [1]: expected JSON, found that parse error"),
        ('["a", {"b"', ": [1]: expected JSON, found that parse error: premature EOF"),
        ('["a", x]', ": [1]: expected JSON, found that lexical error"),
        ('["a"] 2', ": [1]: expected JSON, found that parse error: trailing garbage"),
        ('["\udcff"]', ": [0]: expected JSON, found that lexical error: invalid bytes in UTF8 string."),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match="expected") as error:
        list(stream_array(file))
    assert str(error.value).startswith(f"{file}{words}")
    assert "\n" not in str(error.value)
