from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.data.datasets.labels.json_array import stream_array, value_at

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
        ("", ": expected a JSON array, found an empty file"),
        ("<html>", ": expected a JSON array, found an HTML page"),
        ("{}", ": expected a JSON array, found a JSON object without keys"),
        ('["a" 2]', ": [1]: expected JSON, found that parse error"),
        ('["a",]', ": [1]: expected JSON, found that parse error"),
        ('["a", {"b"', ": [1]: expected JSON, found that the file ends within it: cut off?"),
        ('["a", x]', ": [1]: expected JSON, found that lexical error"),
        ('["a"] 2', ": [1]: expected JSON, found that parse error: trailing garbage"),
        ('["\udcff"]', ": [0]: expected JSON, found that lexical error: invalid bytes in UTF8 string"),
        ("[1, nan]", ": [1]: expected JSON, found that lexical error: invalid string in json text, around '[1, nan]'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match="expected") as error:
        list(stream_array(file))
    assert str(error.value).startswith(f"{file}{words}")
    assert "\n" not in str(error.value)


SECTIONS = '\ufeff{"b": {"a": [0]}, "a": [1, {"a": [2]}], "c": null, "d": 7}'


def test_the_array_under_a_key_wherever_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(SECTIONS, encoding="utf-8")
    assert list(stream_array(file, "a")) == [1, {"a": [2]}]
    assert [list(stream_array(file, key)) for key in ("b", "c", "d", "e")] == [[], [], [], []]
    assert [value_at(file, key) for key in ("a", "b", "c", "d", "e")] == [[], {}, None, 7, None]


def test_nothing_behind_a_value_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1, "b": [' + "1, " * 100_000 + "what is no JSON")
    assert value_at(tmp_path / "a.json", "a") == 1


@pytest.mark.parametrize(
    ("text", "words"), [('["a"]', "object, found a JSON list without objects"), ("", "object, found an empty file")]
)
def test_a_key_is_one_of_an_object(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    for read in (lambda: list(stream_array(file, "a")), lambda: value_at(file, "a")):
        with pytest.raises(ValueError, match="expected") as error:
            read()
        assert str(error.value) == f"{file}: expected a JSON {words}"


def test_a_mistake_in_an_object_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"a": [1, 2')
    for read in (lambda: list(stream_array(file, "a")), lambda: value_at(file, "b")):
        with pytest.raises(ValueError, match=r"a\.json: expected JSON, found that the file ends within it: cut off\?$"):
            read()


@pytest.mark.parametrize("text", ["NaN", "Infinity", '"\\udce9"', "1" + "0" * 400])
def test_what_only_python_reads_is_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(f'{{"a": [1, {text}, 3]}}')
    assert list(map(repr, stream_array(file, "a"))) == list(map(repr, json.loads(f"[1, {text}, 3]")))
    assert list(stream_array(file, "b")) == []
    assert value_at(file, "b") is None
    file.write_text(f"[1, {text}, 3]")
    assert list(map(repr, stream_array(file))) == list(map(repr, json.loads(f"[1, {text}, 3]")))
