"""`RAY_ADDRESS` that leads nowhere: said within seconds, at an end within a minute, and the store is free again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cluster import address, start
from pipeline.cluster.address import host_and_port, joined, require_answer
from tests.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
name: small
store: {folder}/store
nodes:
  faces: {{stage: index, dataset: {{kind: synthetic, images: 2}}}}
"""


@pytest.fixture
def silent() -> Iterator[int]:
    """Port of somebody who takes connections and never answers, like a head that has stopped to work."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


@pytest.fixture
def closed() -> int:
    return free_port()


def run(folder: Path, code: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the config above as the command does, after the lines of `code`."""
    (folder / "config.yaml").write_text(CONFIG.format(folder=folder))
    code = f"import sys\nfrom stages.cli.main import main\n{code}\nsys.argv[1:] = ['run', '-c', sys.argv[1]]\nmain()"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-c", code, str(folder / "config.yaml")],
        cwd=ROOT, env={**kept, **env}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def require_refused(done: subprocess.CompletedProcess[str], folder: Path, words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "store" / "lock.json").exists()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("10.0.0.1:6379", ("10.0.0.1", 6379)),
        ("head.cluster.local:1", ("head.cluster.local", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_has_two_parts(text, parts):
    assert host_and_port(text) == parts


@pytest.mark.parametrize("text", ["nonsense", "host:", ":6379", "host:0", "host:65536", "host:port", "::1:6379",
                                  " host:6379", "host:6379/x", "http://host:6379", "redis://me:S3cr3t@host:1", "me:S3cr3t@host:1"])  # fmt: skip
def test_what_is_no_address_is_refused_with_what_can_be_given(text):
    with pytest.raises(ValueError, match="RAY_ADDRESS: expected host:port of a cluster, auto .*found") as refused:
        host_and_port(text)
    assert "S3cr3t" not in str(refused.value)


def test_ray_client_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"Ray Client \(ray://\*\*\*@host:10001\) .*ray job submit"):
        host_and_port("ray://me:S3cr3t@host:10001")


@pytest.mark.parametrize(("value", "expected"), [("", False), ("local", False), ("auto", True), ("10.0.0.1:1", True)])
def test_only_a_cluster_is_joined(monkeypatch, value, expected):
    monkeypatch.setenv("RAY_ADDRESS", value)
    assert joined() == expected


def test_a_closed_port_is_tried_for_a_while_and_said_to_be(monkeypatch, closed):
    monkeypatch.setattr(address, "SECONDS_TO_ANSWER", 1.0)
    monkeypatch.setattr(address, "SECONDS_OF_SILENCE", 0.3)
    said: list[str] = []
    with pytest.raises(ConnectionError, match=rf"no Ray cluster answers at 127.0.0.1:{closed} \(Connection refused\)"):
        require_answer("127.0.0.1", closed, said.append)
    assert said == [f"waiting for the Ray cluster at 127.0.0.1:{closed} (RAY_ADDRESS): Connection refused"]


def test_a_host_without_an_address_is_not_waited_for():
    with pytest.raises(ConnectionError, match="no Ray cluster answers at no.such.host.invalid:6379"):
        require_answer("no.such.host.invalid", 6379, print)


def test_any_answer_is_enough(silent):
    require_answer("127.0.0.1", silent, print)


@pytest.mark.ray
@pytest.mark.slow
class TestRuns:
    def test_a_cluster_that_is_gone_ends_a_run_within_a_minute(self, tmp_path, closed):
        assert address.SECONDS_TO_ANSWER + start.SECONDS_TO_JOIN < 55
        code = "from pipeline.cluster import address\naddress.SECONDS_TO_ANSWER = address.SECONDS_OF_SILENCE + 1"
        done = run(tmp_path, code, RAY_ADDRESS=f"127.0.0.1:{closed}")
        require_refused(done, tmp_path, f"error: RAY_ADDRESS: no Ray cluster answers at 127.0.0.1:{closed}")
        assert "waiting for the Ray cluster" in done.stderr

    def test_one_that_takes_connections_and_no_more_does_too(self, tmp_path, silent):
        code = "from pipeline.cluster import start\nstart.SECONDS_TO_JOIN, start.SECONDS_OF_SILENCE = 1, 0.5"
        done = run(tmp_path, code, RAY_ADDRESS=f"127.0.0.1:{silent}")
        require_refused(done, tmp_path, "it takes connections, and has not answered for 1 s")
        assert "waiting for the Ray cluster" in done.stderr

    def test_auto_without_a_cluster(self, tmp_path):
        # Its own folder for temporary files, where a cluster has been that is no more.
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
        code = "import functools, ray._private.services as services\nservices.find_gcs_addresses = functools.cache(frozenset)\n"
        code += "from pipeline.cluster import address\naddress.SECONDS_TO_ANSWER = 1"
        done = run(tmp_path, code, RAY_ADDRESS="auto", RAY_TMPDIR=str(tmp_path))
        require_refused(done, tmp_path, "no Ray cluster answers at")

    def test_a_ray_that_cannot_be_started_is_one_line(self, tmp_path):
        with tempfile.NamedTemporaryFile(prefix="w8k-", dir="/tmp") as no_folder:
            done = run(tmp_path, RAY_TMPDIR=no_folder.name)
        require_refused(done, tmp_path, "error: Ray could not be started on this machine")
        assert "--local does without it" in done.stderr

    @pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
    def test_a_long_folder_for_temporary_files(self, tmp_path, variable):
        folder = tmp_path / ("x" * 60)
        folder.mkdir()
        done = run(tmp_path, **{variable: str(folder)})
        require_refused(done, tmp_path, f"{variable}: Ray's sockets are in it")
        assert "export RAY_TMPDIR=/tmp" in done.stderr
        assert "--local" in done.stderr
