"""Plain English: words that the project does not use in comments, docstrings, messages, Markdown and identifiers."""

from __future__ import annotations

import re
import token
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AREAS = ("README.md", "docs", "configs", "pipeline", "stages", "jobs", "tests")
EXCLUDED = {
    "configs/RESULTS.md",  # history: the words of the day each figure was measured
    "tests/contracts/test_words.py",  # names the words
}
SUFFIXES = {".py", ".md", ".yaml", ".j2"}

# Pattern of whole words -> a phrase that holds it, and what to say.
PROSE = {
    r"gangs?": ("a gang of processes", "worker group"),
    r"judg(e|es|ed|ing)": ("judged like a dump", "evaluate, validate"),
    r"verdicts?": ("its verdict", "decision"),
    r"tells?|told|telling": ("the weights tell it", "say, print, report"),
    r"whoever": ("for whoever reads it", "name the reader"),
    r"nobody": ("nobody can read it", "passive voice"),
    r"anew": ("begins anew", "again"),
    r"pictures?": ("two pictures", "image"),
    r"mend(s|ed|ing)?": ("mend it", "fix"),
    r"of ours": ("a dump of ours", "our"),
    r"look(s|ed|ing)? at": ("what was looked at", "read, measure"),
    r"lies": ("a box lies in a tile", "is"),
    r"stands": ("the order stands", "is"),
    r"some \d[\d,.]*": ("some 40 seconds", "about"),
    r"stamps?": ("a stamp of the content", "version"),
    r"digests?": ("the digest of a file", "content hash"),
    r"beacons?": ("the beacon's file", "heartbeat"),
    r"journals?": ("a journal of steps", "log"),
}
NAMES = {"gang", "judge", "judged", "verdict", "whoever", "beacon", "journal", "picture", "pictures", "mend"}
_PROSE = re.compile(rf"\b(?:{'|'.join(PROSE)})\b", re.IGNORECASE)
_ANY_NAME = re.compile("|".join(NAMES))
_ANY_PROSE = re.compile(_PROSE.pattern)
_TEXT = {token.STRING, tokenize.COMMENT, getattr(token, "FSTRING_MIDDLE", token.STRING)}


def found_in_python(source: str) -> Iterator[tuple[int, str]]:
    """Yields line and word of what a Python file should not say; one without any of the words is not taken apart."""
    lower = source.lower()
    if not (_ANY_NAME.search(lower) or _ANY_PROSE.search(lower)):
        return
    for each in tokenize.generate_tokens(StringIO(source).readline):
        if each.type in _TEXT:
            yield from ((each.start[0] + line, word) for line, word in found_in_text(each.string))
        elif each.type == token.NAME:
            parts = re.findall(r"[A-Z]?[a-z]+", each.string)
            yield from ((each.start[0], each.string) for part in parts if part.lower() in NAMES)


def found_in_text(text: str) -> Iterator[tuple[int, str]]:
    """Yields line, counted from 0, and word of prose; a phrase may go on in the next line."""
    for match in _PROSE.finditer(re.sub(r"\s", lambda space: "\n" if space[0] == "\n" else " ", text)):
        yield text.count("\n", 0, match.start()), match[0]


def found_in_file(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        found = list(found_in_python(text))
    elif file.suffix == ".yaml":
        found = [(line + 1, word) for line, word in found_in_text(re.sub(r"(?m)^([^#\n]*)(?=#|$)", "", text))]
    else:
        # A fenced block is a command or its output: as many empty lines keep the numbers.
        prose = re.sub(r"(?s)```.*?```", lambda block: "\n" * block[0].count("\n"), text)
        found = [(line + 1, word) for line, word in found_in_text(prose)]
    return [f"{file.relative_to(ROOT)}:{line}: {word}" for line, word in found]


def files_of(area: str) -> list[Path]:
    path = ROOT / area
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [each for each in files if each.suffix in SUFFIXES and str(each.relative_to(ROOT)) not in EXCLUDED]


@pytest.mark.parametrize("area", AREAS)
def test_no_banned_word(area):
    files = files_of(area)
    assert files, f"{area} is empty: correct AREAS"
    assert not [line for file in files for line in found_in_file(file)]


@pytest.mark.parametrize("phrase", [phrase for phrase, _ in PROSE.values()])
@pytest.mark.parametrize("form", ['"""{}."""', "x = 1  # {}", 'raise ValueError(f"{{name}}: {}")', '"""One.\n\n{}."""'])
def test_each_word_is_found_in_python(phrase, form):
    assert len(list(found_in_python(form.format(phrase)))) == 1


@pytest.mark.parametrize("phrase", [phrase for phrase, _ in PROSE.values()])
@pytest.mark.parametrize(("suffix", "form"), [("md", "# Title\n\n{}\n"), ("yaml", "key: 1\n# two\nother: 2  # {}\n")])
def test_each_word_is_found_in_prose(phrase, suffix, form, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    file = tmp_path / f"page.{suffix}"
    file.write_text(form.format(phrase))
    assert [line.rpartition(":")[0] for line in found_in_file(file)] == [f"page.{suffix}:3"]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_is_found(name):
    for form in ("{}", "_{}_of", "open_{}"):
        assert len(list(found_in_python(form.format(name)))) == 1
    assert len(list(found_in_python(f"class {name.title()}Reader: ..."))) == 1


@pytest.mark.parametrize(
    "source",
    [
        '"""Faces drawn on a background; where a box is, whatever the timestamp and hexdigest."""',
        "told = hasher.digest()",
        "# some images, some 'n' of them",
    ],
)
def test_what_only_resembles_them_is_allowed(source):
    assert not list(found_in_python(source))


def test_values_of_yaml_and_code_in_markdown_are_not_prose(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "a.yaml").write_text("gang: told\n")
    (tmp_path / "a.md").write_text("```\nnobody\n```\n")
    assert not found_in_file(tmp_path / "a.yaml") + found_in_file(tmp_path / "a.md")
