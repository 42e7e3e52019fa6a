"""What a user names as images: files, folders with all below them, and patterns that the shell has left alone."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

FOLDER_RUN = 2_000  # images from which a run over the folder is the better command


def images_of(arguments: Sequence[Path], log: Callable[[str], None]) -> list[Path]:
    """Returns the image files in the order of the arguments, those of a folder or pattern by name; each file once.

    In a folder, files that are no image by name or first bytes are left out with a line, as in a run over it; a file
    that is named itself is kept whatever it is, and has an error of its own where it is no image.

    Args:
        arguments: as typed.
        log: gets the lines.

    Raises:
        FileNotFoundError: a folder without images, or a pattern that nothing matches.
    """
    found: dict[Path, None] = {}
    for argument in arguments:
        _require_no_address(argument)
        if argument.is_dir():
            found.update(dict.fromkeys(_below(argument, log)))
        elif not os.path.lexists(argument) and glob.has_magic(str(argument)):
            matches = [Path(name) for name in sorted(glob.glob(str(argument), recursive=True))]
            if not matches:
                raise FileNotFoundError(f"nothing matches {argument}")
            found.update(dict.fromkeys(path for path in matches if not path.is_dir()))
        else:
            found[argument] = None
    if len(found) > FOLDER_RUN:
        log(
            f"{len(found)} images: wider8k run -c folder --set faces.path=FOLDER --set boxes.path=WEIGHTS "
            "does so on all cores, and on many machines"
        )
    return list(found)


def _require_no_address(argument: Path) -> None:
    """Raises ValueError for what is typed as an address; a path makes one slash of its two."""
    if re.match(r"\w{2,}:/", str(argument)) and not os.path.lexists(argument):
        raise ValueError(
            f"{argument.as_posix().replace(':/', '://', 1)}: expected files and folders of this machine, found an "
            "address: fetch it first; of a bucket, wider8k run -c folder --set faces.path=s3://BUCKET/FOLDER"
        )


def _below(folder: Path, log: Callable[[str], None]) -> list[Path]:
    from pipeline.data.datasets.image_folder import ImageFolder

    entries = ImageFolder().entries(str(folder), lambda line: log(f"{folder}: {line}"))
    return [folder / entry.path for entry in entries]
