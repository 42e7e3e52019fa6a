"""What replaces the agent of a raylet: it says that there is no port, and ends with the raylet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from pipeline.cluster import no_agent
from tests.processes import wait_for

# The parent is a shell, which prints the number of its child.
RAYLET = '"$@" & echo $!; wait'


def test_it_names_no_port_and_ends_with_its_parent(tmp_path: Path) -> None:
    options = [f"--session-dir={tmp_path}", "--node-id=n1", "agent.py", "--head", "--listen-port=52365"]
    command = [sys.executable, "-I", "-S", str(no_agent.__file__), *options]
    raylet = subprocess.Popen(["sh", "-c", RAYLET, "sh", *command], stdout=subprocess.PIPE, text=True)
    assert raylet.stdout
    agent = psutil.Process(int(raylet.stdout.readline()))
    wait_for(raylet, lambda: len(list(tmp_path.glob("*_n1"))) == len(no_agent.PORTS))
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        f"{name}_n1": "-1" for name in no_agent.PORTS
    }
    assert agent.is_running()
    raylet.kill()
    raylet.wait()
    agent.wait(timeout=10)
