"""Fetching WIDER FACE: torchvision's list of files and checksums, unpacked in the layout that `WiderFace` reads.

Archives that are already there with the right checksum are not fetched again, and what is unpacked is not unpacked
again, so that an interrupted download goes on where it stopped, archive by archive.

The lists of easy, medium and hard faces (``wider_{easy,medium,hard}_val.mat`` and ``wider_face_val.mat``) are not among
these files: they come with the official evaluation tools, and belong into ``wider_face_split/``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SPLITS: Final = ("train", "val", "test")
_ANNOTATION: Final = "wider_face_split.zip"
_LEVELS_NOTE: Final = (
    "For the official easy, medium and hard AP, also put the four .mat files of the official evaluation tools "
    "(eval_tools/ground_truth, from the WIDER FACE website) into {folder}."
)


class DownloadError(RuntimeError):
    """An archive could not be fetched; the message says which, why, and how to go on by hand."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One zip file to fetch.

    Attributes:
        name: file name, whose stem is the folder it unpacks to.
        md5: of the whole file, hexadecimal.
        url: where to fetch it, unless it lies on Google Drive.
        drive_id: its id on Google Drive, else None.
    """

    name: str
    md5: str
    url: str
    drive_id: str | None = None


def download_wider_face(root: Path, splits: Sequence[str], echo: Callable[[str], None]) -> None:
    """Fetches and unpacks the annotations and the images of the splits into ``root``.

    Args:
        root: made if absent; afterwards holds ``WIDER_{split}/images`` and ``wider_face_split``.
        splits: of "train" (1.5 GB), "val" (0.4 GB) and "test" (1.8 GB).
        echo: told what happens, a line at a time.

    Raises:
        ValueError: a split that does not exist.
        DownloadError: an archive cannot be fetched, or arrives with a wrong checksum.
    """
    if unknown := [split for split in splits if split not in SPLITS]:
        raise ValueError(f"unknown split {', '.join(unknown)}: choose from {', '.join(SPLITS)}")
    archives = wider_face_archives()
    for name in (_ANNOTATION, *(f"WIDER_{split}.zip" for split in splits)):
        fetch_archive(archives[name], root, echo)
    echo(_LEVELS_NOTE.format(folder=root / Path(_ANNOTATION).stem))


def wider_face_archives() -> dict[str, Archive]:
    """Returns file name -> archive as torchvision lists them (imports torch)."""
    from torchvision.datasets import WIDERFace

    archives = {name: Archive(name, md5, _drive_url(key), key) for key, md5, name in WIDERFace.FILE_LIST}
    url, md5, name = WIDERFace.ANNOTATIONS_FILE
    return {**archives, name: Archive(name, md5, url)}


def fetch_archive(archive: Archive, root: Path, echo: Callable[[str], None]) -> None:
    """Makes ``root/<stem of the archive>`` complete: fetches, checks and unpacks what is not there yet.

    Raises:
        DownloadError: as `download_wider_face`.
    """
    folder = root / Path(archive.name).stem
    mark = folder / ".unpacked"  # hidden from dataset scans; holds the checksum of what was unpacked
    if mark.is_file() and mark.read_text().strip() == archive.md5:
        echo(f"{folder} is complete")
        return
    root.mkdir(parents=True, exist_ok=True)
    file = root / archive.name
    if _intact(file, archive.md5):
        echo(f"{file} is already here, checksum right")
    else:
        echo(f"fetching {archive.name} from {archive.url}")
        _fetch(archive, root)
    echo(f"unpacking {file}")
    _unpack(file, root)
    folder.mkdir(exist_ok=True)
    mark.write_text(f"{archive.md5}\n")


def _fetch(archive: Archive, root: Path) -> None:
    from torchvision.datasets.utils import download_file_from_google_drive, download_url

    try:
        if archive.drive_id is not None:
            download_file_from_google_drive(archive.drive_id, root, archive.name, archive.md5)
        else:
            download_url(archive.url, root, archive.name, archive.md5)
    except Exception as error:  # offline, quota, checksum: three libraries below, each with its own kinds
        raise DownloadError(
            f"could not fetch {archive.name} from {archive.url}: {type(error).__name__}: {error}\n"
            f"Check the connection and run the same command again; what is complete is kept. Or fetch it by hand, "
            f"put it at {root / archive.name} (md5 {archive.md5}) and run the command again to unpack it."
        ) from error


def _intact(file: Path, md5: str) -> bool:
    from torchvision.datasets.utils import check_integrity

    return bool(check_integrity(file, md5))


def _unpack(file: Path, root: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            target = root / member.filename
            if not (target.is_file() and target.stat().st_size == member.file_size):
                archive.extract(member, root)


def _drive_url(key: str) -> str:
    return f"https://drive.google.com/uc?id={key}"
