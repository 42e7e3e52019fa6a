"""Paths of objects do what paths of a disk do, and cost few requests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.data.object_path import ObjectPath
from pipeline.engine.object_reader import ObjectTooLargeError
from tests.engine.s3_proxy import Proxy, proxy

FILES = {
    "a.txt": "one\r\ntwo\n",
    "labels/deep/b c.txt": "é",
    "labels/c.xml": "",
    "images/a%20.jpg": "x",
    "images/d.jpg": "y",
}
PATTERNS = ["*.txt", "labels/*.xml", "labels/*/*.txt", "*/d.jpg", "**/*.txt", "none/*.txt", "a.txt", "*"]


@pytest.fixture
def requests(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxy(os.environ["AWS_ENDPOINT_URL"]) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made


@pytest.fixture
def both(requests: Proxy, tmp_path: Path, stored: Callable[[Path], str]) -> tuple[Path, ObjectPath]:
    """The same files on a disk and in a store."""
    folder = tmp_path / "set"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder, ObjectPath.of(stored(folder))


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("name", ["a.txt", "labels", "labels/deep", "labels/none", "images/a%20.jpg", "."])
def test_what_is_a_file_and_what_a_folder(both, name, listed):
    disk, store = both
    if listed:
        list((store / name).parent.iterdir())
    for ask in ("is_file", "is_dir", "exists"):
        assert getattr(store / name, ask)() == getattr(disk / name, ask)(), ask


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns(both, pattern):
    disk, store = both
    found = sorted(str(each.relative_to(store)) for each in store.glob(pattern))
    assert found == sorted(str(each.relative_to(disk)) for each in disk.glob(pattern))


def test_reading(both):
    disk, store = both
    for name in FILES:
        assert (store / name).read_bytes() == (disk / name).read_bytes()
        assert (store / name).read_text("utf-8") == (disk / name).read_text("utf-8")
        with (store / name).open("rb") as ours, (disk / name).open("rb") as theirs:
            assert ours.read(2) == theirs.read(2)
        with (
            (store / name).open(encoding="utf-8", newline="") as ours,
            (disk / name).open(encoding="utf-8", newline="") as theirs,
        ):
            assert ours.read() == theirs.read()
    assert (store / "a.txt").read_beginning(3) == b"one"
    assert (store / "labels/c.xml").read_beginning(3) == b""
    with pytest.raises(ObjectTooLargeError):
        (store / "a.txt").read_bytes(3)
    with pytest.raises(FileNotFoundError):
        (store / "none").read_bytes()


@pytest.mark.parametrize("other", ["x.tar.gz", "deep/x", "../beside/x", "./x"])
def test_names(other):
    store, disk = ObjectPath.of("s3://bucket/some/set") / other, Path(os.path.normpath(f"/some/set/{other}"))
    assert (store.name, store.stem, store.suffix) == (disk.name, disk.stem, disk.suffix)
    assert str(store.parent) == f"s3://bucket{disk.parent}"
    assert str(store.with_name("y")) == f"s3://bucket{disk.with_name('y')}"
    assert str(store.with_suffix(".y")) == f"s3://bucket{disk.with_suffix('.y')}"
    assert store.absolute() is store.expanduser() is store.resolve() is store


def test_a_folder_is_listed_once_and_a_file_of_it_is_then_known(both, requests):
    _, store = both
    requests.taken()
    for _ in range(2):
        assert {each.name for each in store.iterdir()} == {"a.txt", "labels", "images"}
        assert (store / "a.txt").is_file()
        assert (store / "labels").is_dir()
        assert (store / "a.txt").facts.size == 9
    assert len(requests.taken()) == 1


def test_keys_and_options_are_used_and_not_shown(both):
    _, store = both
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    prefix = str(store).removeprefix("s3://bucket/")
    path = (
        ObjectPath.of(f"s3://KEYID:S3cr3t@bucket/{prefix}?scheme=http&endpoint_override={host}") / "images" / "a%20.jpg"
    )
    assert path.read_bytes() == b"x"
    for shown in (str(path), repr(path), str(path.parent)):
        assert "S3cr3t" not in shown
        assert "KEYID" not in shown
        assert "?" not in shown
    assert "S3cr3t" in path.address
    assert ObjectPath.of(path.address) == path
    assert hash(ObjectPath.of(path.address)) == hash(path)
    assert ObjectPath.of(str(path)) != path  # other keys may see other objects


def test_the_folder_that_holds_two(both):
    _, store = both
    assert (store / "labels/deep").common(store / "images/d.jpg") == store
    assert (store / "labels").common(store / "labels") == store / "labels"
    assert (store / "labels/c.xml").common(store / "labels") == store / "labels"
    with pytest.raises(ValueError, match="expected both in one store, found s3://bucket/x and s3://other/x"):
        ObjectPath.of("s3://bucket/x").common(ObjectPath.of("s3://other/x"))
