"""The audit of dependencies: what CI says of a known vulnerability, of none, and without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.serving import serving

AUDIT = Path(__file__).resolve().parents[2] / ".ci/audit"
pytestmark = pytest.mark.skipif(
    not (os.environ.get("UV") or shutil.which("uv") or os.environ.get("CI")),  # on CI it is there, or this fails
    reason="needs uv",
)


@contextmanager
def service(vulnerable: str) -> Iterator[str]:
    """Answers as OSV does, with one advisory on a package, and yields its address."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            pass

        def answer(self, content: object) -> None:
            data = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            asked.extend(query["package"]["name"] for query in queries)
            known = {"vulns": [{"id": "PYSEC-2099-1", "modified": "2026-01-01T00:00:00Z"}]}
            self.answer({"results": [known if query["package"]["name"] == vulnerable else {} for query in queries]})

        def do_GET(self) -> None:
            events = [{"introduced": "0"}, {"fixed": "9999"}]
            package = {"ecosystem": "PyPI", "name": vulnerable}
            affected = [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
            about = {"summary": "made up", "modified": "2026-01-01T00:00:00Z"}
            self.answer({"id": "PYSEC-2099-1", **about, "affected": affected})

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"
        assert {"torch", "ray", "numpy", "pyyaml", "pillow"} <= set(asked)


def audit(address: str) -> tuple[int, str]:
    environment = {**os.environ, "AUDIT_SERVICE": address, "UV_HTTP_RETRIES": "0"}
    environment.pop("UV_OFFLINE", None)
    done = subprocess.run([AUDIT], env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


def test_a_known_vulnerability_of_a_locked_package_fails() -> None:
    with service("jinja2") as address:
        code, said = audit(address)
    assert code == 1, said
    assert "jinja2" in said and "PYSEC-2099-1" in said


def test_none_is_said_with_the_number_of_packages() -> None:
    with service("nothing") as address:
        code, said = audit(address)
    assert code == 0, said
    assert "no known vulnerabilities" in said


def test_without_an_answer_the_build_goes_on_and_a_line_says_so() -> None:
    code, said = audit("http://127.0.0.1:9")
    assert code == 0
    assert said == "NOT AUDITED: no answer from http://127.0.0.1:9; run .ci/audit again with a network\n"
