"""Download of WIDER FACE: torchvision's list of files and checksums, unpacked in the layout that `WiderFace` reads.

torchvision's own `WIDERFace(download=True)` takes all three splits and unpacks them again each time; here a complete
archive is kept and an unpacked one skipped, so that an interrupted download goes on.

The lists of easy, medium and hard faces (``wider_{easy,medium,hard}_val.mat`` and ``wider_face_val.mat``) are not among
these files: they come with the official evaluation tools, and belong into ``wider_face_split/``.
"""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SPLITS: Final = ("train", "val", "test")
_ANNOTATION: Final = "wider_face_split.zip"


class DownloadError(RuntimeError):
    """A failed download; the message says which archive, why, and how to go on by hand."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One zip file to download."""

    name: str  # file name, whose stem is the folder it unpacks to
    md5: str  # of the whole file, hexadecimal
    url: str  # its address
    drive_id: str | None = None  # its id where that is on Google Drive, else None


def download_wider_face(root: Path, splits: Sequence[str], echo: Callable[[str], None]) -> None:
    """Downloads and unpacks the annotations and the images of the splits into ``root``.

    Args:
        root: made if absent; afterwards holds ``WIDER_{split}/images`` and ``wider_face_split``.
        splits: of "train" (1.5 GB), "val" (0.4 GB) and "test" (1.8 GB).
        echo: takes a line on each step.

    Raises ValueError: a split that does not exist; DownloadError: an archive cannot be fetched, or arrives with a
    wrong checksum.
    """
    if unknown := [split for split in splits if split not in SPLITS]:
        raise ValueError(f"unknown split {', '.join(unknown)}: choose from {', '.join(SPLITS)}")
    archives = wider_face_archives()
    for name in (_ANNOTATION, *(f"WIDER_{split}.zip" for split in splits)):
        fetch_archive(archives[name], root, echo)
    echo(
        "For the official easy, medium and hard AP, also put the four .mat files of the official evaluation tools "
        f"(eval_tools/ground_truth, from the WIDER FACE website) into {root / Path(_ANNOTATION).stem}."
    )


def wider_face_archives() -> dict[str, Archive]:
    """Returns file name -> archive as torchvision lists them (imports torch)."""
    from torchvision.datasets import WIDERFace

    drive = "https://drive.google.com/uc?id="
    url, md5, name = WIDERFace.ANNOTATIONS_FILE
    images = {name: Archive(name, md5, f"{drive}{key}", key) for key, md5, name in WIDERFace.FILE_LIST}
    return {**images, name: Archive(name, md5, url)}


def fetch_archive(archive: Archive, root: Path, echo: Callable[[str], None]) -> None:
    """Makes ``root/<stem of the archive>`` complete: fetches, checks and unpacks only as far as needed.

    Raises DownloadError: as `download_wider_face`.
    """
    from torchvision.datasets.utils import check_integrity

    file, folder = root / archive.name, root / Path(archive.name).stem
    mark = folder / ".unpacked"  # hidden from dataset scans; holds the checksum of the unpacked archive
    if mark.is_file() and mark.read_text().strip() == archive.md5:
        echo(f"{folder} is complete")
        return
    root.mkdir(parents=True, exist_ok=True)
    if check_integrity(file, archive.md5):
        echo(f"{file} is already here, checksum right")
    else:
        echo(f"fetching {archive.name} from {archive.url}")
        _fetch(archive, root)
    echo(f"unpacking {file}")
    with zipfile.ZipFile(file) as content:
        for member in content.infolist():
            target = root / member.filename
            if not (target.is_file() and target.stat().st_size == member.file_size):
                content.extract(member, root)
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
            f"Check the connection and run the same command again; complete files are kept. Or fetch it by hand, "
            f"put it at {root / archive.name} (md5 {archive.md5}) and run the command again to unpack it."
        ) from error
