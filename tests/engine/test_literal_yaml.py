from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import Field

from pipeline.engine import literal_yaml
from pipeline.engine.literal_yaml import LiteralModel, LiteralValue, parse_literal, read_yaml, resolved

ROOT = Path(__file__).resolve().parents[2]
ODD = ["trip #2", "out #7", "2024-05-01", "1e3", "1.0e+3", "yes", "no", "null", "~", "[a", "{b", "0640", "1_000", "12:30",
       "a: b", "'", '"', "*x", "&x", "!t", "@home", "%d", "- a", "2024-99-99", "0x1F", ".5", " two ", "|", "> a", "# all"]  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    steps: int = 1
    note: str = ""


class Fields(LiteralModel):
    path: Path | None = None
    text: str = ""
    maybe: str | None = None
    choice: Literal["on", "off", "1"] = "off"
    edge: str | int = "8k"
    names: list[str] = Field([])
    table: dict[str, str] = Field({})
    number: float | None = None
    whole: Annotated[int, Field(ge=0)] = 0
    flag: bool = False
    shares: tuple[float, ...] = ()
    model_args: dict[str, Any] = Field({})
    recipe: Recipe = Recipe()


@pytest.mark.parametrize("typed", ODD)
def test_a_field_for_text_takes_what_was_typed(typed: str) -> None:
    for name in ("text", "maybe"):
        value = getattr(Fields.model_validate({name: parse_literal(typed, "--set")}), name)
        assert (value, type(value)) == (typed, str)
    assert Fields.model_validate({"path": parse_literal(typed, "--set")}).path == Path(typed)


def test_other_fields_take_what_yaml_reads() -> None:
    for name, typed, expected in (
        ("number", "1e3", 1000.0),
        ("number", "null", None),
        ("number", "0.5 # a half", 0.5),
        ("whole", "7", 7),
        ("flag", "yes", True),
        ("shares", "[0.1, 0.2]", (0.1, 0.2)),
        ("names", "[2024-05-01, yes, 07]", ["2024-05-01", "yes", "07"]),
        ("table", "{a: no, 12: 1.10}", {"a": "no", "12": "1.10"}),
        ("model_args", "{pretrained: true, depth: 50}", {"pretrained": True, "depth": 50}),
        ("recipe", "{steps: 5, note: 2024-05-01}", Recipe(5, "2024-05-01")),
        ("choice", "on", "on"),
        ("choice", "1", "1"),
        ("edge", "4096", 4096),
        ("edge", "short-640", "short-640"),
        ("maybe", "", None),
    ):
        assert getattr(Fields.model_validate({name: parse_literal(typed, "--set")}), name) == expected, (name, typed)


def test_what_yaml_cannot_read_is_refused_only_where_it_is_needed() -> None:
    with pytest.raises(ValueError, match=r"--set a\.names=\[a: not valid YAML"):
        Fields.model_validate({"names": parse_literal("[a", "--set a.names=[a")})
    with pytest.raises(ValueError, match=r"'0x_' cannot be read as int"):
        resolved(parse_literal("0x_", "x"), int)


def test_a_file_keeps_what_was_written() -> None:
    tree = read_yaml(b"a: 2024-05-01\nb: 0640\nc: yes\nd: text\ne: null\nf: '07'\n1: x\n", "f.yaml")
    assert tree == {"a": "2024-05-01", "b": "0640", "c": "yes", "d": "text", "e": None, "f": "07", "1": "x"}
    assert [type(tree[key]) for key in "abcdf"] == [str, LiteralValue, LiteralValue, str, str]
    assert [tree[key].value for key in "bc"] == [0o640, True]
    # Without a field that says more, a number is a number, and a date is what was written.
    assert resolved(tree, Any) == {"a": "2024-05-01", "b": 416, "c": True, "d": "text", "e": None, "f": "07", "1": "x"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", r"^f\.yaml:3: not valid YAML: 'a' is here and in line 1$"),
        (b"a:\n  b: 1\n  b: 2\n", r"^f\.yaml:3: .*'b' is here and in line 2"),
        (b"a:\n\tb: 1\n", r"^f\.yaml:2: .*indent with spaces$"),
        (b"a: 1\nb: caf\xe9 noir\n", r"^f\.yaml:2: expected a YAML file in UTF-8, found byte 0xe9$"),
        (b"a: [1, 2\n", r"^f\.yaml:2: not valid YAML"),
        (b"a: \x00\n", r"^f\.yaml: not valid YAML: .*special characters"),
        (b"a: *gone\n", r"^f\.yaml:1: not valid YAML: found undefined alias 'gone'"),
        (b"--- 1\n--- 2\n", r"^f\.yaml:\d: not valid YAML"),
        (b"[" * 20000, r"^f\.yaml: not valid YAML: nested too deeply$"),
        (b"a: !!python/object:os.system x\n", r"^f\.yaml:1: not valid YAML: could not determine a constructor"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_yaml(data, "f.yaml")
    assert "\n" not in str(caught.value)


def test_merged_keys_are_not_there_twice() -> None:
    text = b"base: &base {a: 1, b: 2}\nmine: &mine {<<: *base, b: 3}\nother: {<<: *mine, a: 4}\n"
    assert resolved(read_yaml(text, "f.yaml"), Any)["other"] == {"a": 4, "b": 3}


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are(codec: str) -> None:
    assert read_yaml("a: é\n".encode(codec), "f.yaml") == {"a": "é"}


def both_readings(value: Any) -> Any:
    """Returns a value with what YAML reads beside the characters, which are equal where only the characters are."""
    if isinstance(value, dict):
        return {key: both_readings(each) for key, each in value.items()}
    if isinstance(value, list):
        return [both_readings(each) for each in value]
    return (str(value), repr(value.value)) if isinstance(value, LiteralValue) else value


def test_both_parsers_read_the_same() -> None:
    texts = [file.read_text(encoding="utf-8") for file in sorted((ROOT / "configs").rglob("*.yaml"))]
    assert len(texts) > 40
    for text in (*texts, *(f"a: {odd}\nb: 'it''s'\nc: &x [1, 2.5, no]\nd: *x\n" for odd in ODD)):
        try:
            plain = yaml.load(text, literal_yaml._Loader)
        except (yaml.YAMLError, ValueError):
            with pytest.raises((yaml.YAMLError, ValueError)):
                yaml.load(text, literal_yaml._QuickLoader)
        else:
            assert both_readings(yaml.load(text, literal_yaml._QuickLoader)) == both_readings(plain), text
