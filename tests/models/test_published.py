"""Published weights from a server on loopback: whole, broken off, refused, and another file than was published."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.models import published
from pipeline.models.detectors import DETECTORS
from pipeline.models.published import PUBLISHED, FetchError, Published, cache_folder, cached, fetch, weights_file
from tests.serving import serving

CONTENT = bytes(range(256)) * 4000


@dataclass
class Server:
    """What it answers, and what it was asked."""

    url: str = ""
    content: bytes = CONTENT
    status: int = 200
    ranges: bool = True
    stops_after: int | None = None
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            begin = int(re.findall(r"\d+", wanted)[0]) if wanted and state.ranges else 0
            self.send_response(206 if begin else state.status)
            body = state.content[begin:] if state.status == 200 else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.stops_after])

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as httpd:
        state.url = f"http://127.0.0.1:{httpd.server_port}/weights.pth"
        yield state


@pytest.fixture
def name(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = Published("retinaface_mobilenet", server.url, digest, len(CONTENT), "MIT", "someone/somewhere", "1 / 2 / 3")
    monkeypatch.setattr(published, "PUBLISHED", type(PUBLISHED)("published file", {"tried": file}))
    return "tried"


def test_every_entry_is_loaded_by_its_detector_and_recognised_by_its_hash() -> None:
    for file in PUBLISHED.values():
        assert file.sha256 in DETECTORS[file.detector].content_hashes
        assert file.url.startswith("https://")


@pytest.mark.wider
def test_hashes_and_sizes_are_those_of_the_files(shared: Path) -> None:
    names = {
        "retinaface_mobilenet": "retinaface_mobilenet0.25_Final.pth",
        "retinaface_mobilenet_mb1": "facedetector1mb_mobilenet0.25_Final.pth",
    }
    assert names.keys() == PUBLISHED.keys()
    for name, file in names.items():
        data = (shared / "data/weights" / file).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (PUBLISHED[name].sha256, PUBLISHED[name].size)


def test_it_is_fetched_once(name: str, server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    file = fetch(name, tmp_path, lambda *counts: seen.append(counts))
    assert file.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(name, tmp_path) == file
    assert server.asked == [None]


@pytest.mark.parametrize("ranges", [True, False])
def test_what_broke_off_goes_on_or_begins_again(name: str, server: Server, tmp_path: Path, ranges: bool) -> None:
    server.stops_after, server.ranges = 300_000, ranges
    with pytest.raises(FetchError, match=r"ended after 300000 of 1024000 bytes; run it again|could not be fetched"):
        fetch(name, tmp_path)
    server.stops_after = None
    assert fetch(name, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


def test_another_file_is_refused_and_deleted(name: str, server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"\0"
    with pytest.raises(FetchError, match=r"expected the file with sha256 \w{64}, found \w{64}; it is deleted"):
        fetch(name, tmp_path)
    assert list(tmp_path.iterdir()) == []
    server.content = CONTENT + b"more"
    with pytest.raises(FetchError, match="expected the file with sha256"):
        fetch(name, tmp_path)
    server.content = CONTENT
    assert fetch(name, tmp_path).read_bytes() == CONTENT


def test_a_damaged_file_of_the_cache_is_fetched_again(name: str, server: Server, tmp_path: Path) -> None:
    file = fetch(name, tmp_path)
    file.write_bytes(CONTENT[:-1] + b"\0")
    assert fetch(name, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_server_that_refuses_and_none_at_all(name: str, server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(FetchError, match=r"could not be fetched \(Not Found\).* fetch it by hand and give its path"):
        fetch(name, tmp_path)
    gone = published.PUBLISHED[name]
    offline = Published(gone.detector, "http://127.0.0.1:9/x.pth", gone.sha256, gone.size, "MIT", "x", "x")
    published.PUBLISHED = type(PUBLISHED)("published file", {name: offline})
    with pytest.raises(FetchError, match=r"could not be fetched \(.*refused.*\)"):
        fetch(name, tmp_path)


def test_names_and_paths_of_weights(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "wider8k/weights"
    assert cache_folder({}) == Path.home() / ".cache/wider8k/weights"
    with pytest.raises(ValueError, match="tried: not fetched yet: wider8k weights get tried"):
        weights_file(Path("tried"))
    with pytest.raises(
        FileNotFoundError, match="gone.pth: expected a weights file, or a name that wider8k weights list"
    ):
        weights_file(Path("gone.pth"))
    (tmp_path / "other.pth").write_bytes(b"")
    assert weights_file(tmp_path / "other.pth") == tmp_path / "other.pth"
    assert fetch("tried") == cached("tried") == weights_file(Path("tried"))
    with pytest.raises(ValueError, match="nothing"):
        fetch("nothing")
