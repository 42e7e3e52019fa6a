"""What `ray job submit --working-dir` uploads of a folder, by Ray's own packing: its size, and its largest files."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

_QUIET = logging.Logger("upload", logging.ERROR)  # Ray's packing names every file that it leaves out


def upload_size(folder: Path) -> int:
    """Returns the bytes of the archive of a folder, without what its .gitignore and .rayignore files leave out."""
    from ray._private.runtime_env.packaging import create_package

    with tempfile.TemporaryDirectory() as place:
        archive = Path(place) / "package.zip"
        create_package(str(folder), archive, include_gitignore=True, logger=_QUIET)
        return archive.stat().st_size


def largest_files(folder: Path, count: int) -> list[tuple[str, int]]:
    """Returns path in the folder and bytes of the largest files of the archive, the largest first."""
    from ray._private.runtime_env.packaging import _dir_travel, get_excludes_from_ignore_files

    found: list[tuple[str, int]] = []

    def weigh(path: Path) -> None:
        if path.is_file():
            found.append((str(path.relative_to(folder)), path.stat().st_size))

    excludes = get_excludes_from_ignore_files(folder, include_gitignore=True, logger=_QUIET)
    _dir_travel(folder, excludes, weigh, include_gitignore=True, logger=_QUIET)
    return sorted(found, key=lambda each: -each[1])[:count]
