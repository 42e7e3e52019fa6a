"""Fetching archives, against a server on loopback and against no network at all."""

import hashlib
import http.server
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.data.datasets.wider_face.download import (
    Archive,
    DownloadError,
    download_wider_face,
    fetch_archive,
    wider_face_archives,
)
from tests.serving import serving

MEMBERS = {"WIDER_toy/images/0--A/x.jpg": b"x" * 50, "WIDER_toy/images/0--A/y.jpg": b"y" * 60}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Archive, list[str]]]:
    """A zip file on a local HTTP server, and the list of paths asked of it."""
    folder = tmp_path / "server"
    folder.mkdir()
    with zipfile.ZipFile(folder / "WIDER_toy.zip", "w") as file:
        for name, data in MEMBERS.items():
            file.writestr(name, data)
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            if self.command == "GET":
                asked.append(self.path)

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as running:
        md5 = hashlib.md5((folder / "WIDER_toy.zip").read_bytes()).hexdigest()
        yield Archive("WIDER_toy.zip", md5, f"http://127.0.0.1:{running.server_port}/WIDER_toy.zip"), asked


def unpacked(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in MEMBERS}


def test_fetch_unpack_and_never_twice(tmp_path: Path, server: tuple[Archive, list[str]]) -> None:
    archive, asked = server
    root, said = tmp_path / "data", []
    fetch_archive(archive, root, said.append)
    assert unpacked(root) == MEMBERS and len(asked) >= 1
    asked.clear()
    fetch_archive(archive, root, said.append)
    assert said[-1] == f"{root / 'WIDER_toy'} is complete"
    (root / "WIDER_toy.zip").unlink()
    fetch_archive(archive, root, said.append)
    assert asked == []


def test_an_interrupted_unpacking_is_finished_without_fetching(
    tmp_path: Path, server: tuple[Archive, list[str]]
) -> None:
    archive, asked = server
    root = tmp_path / "data"
    fetch_archive(archive, root, lambda line: None)
    (root / "WIDER_toy" / ".unpacked").unlink()
    (root / "WIDER_toy/images/0--A/x.jpg").write_bytes(b"half")
    asked.clear()
    said: list[str] = []
    fetch_archive(archive, root, said.append)
    assert unpacked(root) == MEMBERS and asked == [] and "already here" in said[0]


def test_a_damaged_archive_is_fetched_again(tmp_path: Path, server: tuple[Archive, list[str]]) -> None:
    archive, asked = server
    root = tmp_path / "data"
    root.mkdir()
    (root / "WIDER_toy.zip").write_bytes(b"only the beginning")
    fetch_archive(archive, root, lambda line: None)
    assert unpacked(root) == MEMBERS and len(asked) >= 1


def test_a_wrong_checksum_is_refused(tmp_path: Path, server: tuple[Archive, list[str]]) -> None:
    wrong = Archive("WIDER_toy.zip", "0" * 32, server[0].url)
    with pytest.raises(DownloadError, match=r"could not fetch WIDER_toy\.zip"):
        fetch_archive(wrong, tmp_path / "data", lambda line: None)
    assert not (tmp_path / "data" / "WIDER_toy").exists()


def test_offline_says_how_to_go_on(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    archive = Archive("WIDER_toy.zip", "a" * 32, f"http://127.0.0.1:{port}/WIDER_toy.zip")
    with pytest.raises(DownloadError) as caught:
        fetch_archive(archive, tmp_path / "data", lambda line: None)
    message = str(caught.value)
    assert "run the same command again" in message
    assert f"put it at {tmp_path / 'data' / 'WIDER_toy.zip'} (md5 {'a' * 32})" in message


def test_unknown_split_lists_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown split valid: choose from train, val, test"):
        download_wider_face(tmp_path, ["train", "valid"], lambda line: None)


def test_torchvisions_list_has_what_we_name() -> None:
    archives = wider_face_archives()
    assert {"WIDER_train.zip", "WIDER_val.zip", "WIDER_test.zip", "wider_face_split.zip"} <= set(archives)
    assert archives["wider_face_split.zip"].md5 == "0e3767bcf0e326556d407bf5bff5d27c"
    assert archives["WIDER_val.zip"].drive_id
    assert archives["WIDER_val.zip"].url.endswith(str(archives["WIDER_val.zip"].drive_id))
