"""A small file system in memory, which can be filled without harm to anything else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[str]:
    """Mounts one at a folder, which is made; yields why that cannot be done here, "" where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "wider8k-soak", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        problem = done.stderr.strip().partition("\n")[0] or f"mount ended with {done.returncode}"
    except FileNotFoundError as error:
        done, problem = None, str(error)
    if done is None or done.returncode:
        yield f"no small file system can be mounted here ({problem})"
        return
    try:
        yield ""
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
