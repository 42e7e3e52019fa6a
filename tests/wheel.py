"""The wheel, built and unpacked as an installer does, and a folder with its command: nothing else of the project is seen."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def install_wheel(folder: Path) -> dict[str, str]:
    """Builds the wheel, unpacks it below a folder, and returns the environment in which its `wider8k` is the command."""
    built, site, bin_ = folder / "built", folder / "site", folder / "bin"
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(built)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = built.glob("wider8k-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    bin_.mkdir()
    (bin_ / "wider8k").write_text(f"#!{sys.executable} -P\nfrom stages.cli.main import main\n\nmain()\n")
    (bin_ / "wider8k").chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return env | {"PYTHONPATH": str(site), "PATH": f"{bin_}{os.pathsep}{env['PATH']}"}


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment in which the built wheel is installed."""
    return install_wheel(tmp_path_factory.mktemp("wheel"))
