"""A folder of images without labels, searched with everything below it."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from pipeline.data.datasets.dataset import Dataset, Log, Reader, no_log, require_folder
from pipeline.data.datasets.entries import Entries, Entry, in_order
from pipeline.data.datasets.files import Skipped, read_sample, scan, shortened, skipped_line
from pipeline.data.image_kinds import HEAD, READ, claims_to_be_image, kind_of
from pipeline.data.images import pages

_PAGED: Final = (*READ["TIFF"], *READ["GIF"])


class ImageFolder(Dataset):
    """Every image below a folder, by the name or the first bytes of a file, see `image_kinds`.

    Hidden files are left out; skipped files are logged. The ``image_id`` is the path relative to the folder, with its
    extension.
    """

    def entries(self, root: str, log: Log = no_log) -> Entries:
        """Returns the images found, as `Dataset.entries`; files of other names are checked by their first bytes.

        Raises FileNotFoundError: the folder does not exist or holds no image.
        """
        require_folder(root)
        skipped = Skipped(list)
        found = in_order(_found(root, skipped))
        if line := skipped_line(skipped):
            log(line)
        if not found:
            raise FileNotFoundError(f"no image below {root}: expected {', '.join(READ)}{line and f'; {line}'}")
        return found

    def open(self, root: str) -> Reader:
        """Returns a reader, as `Dataset.open`; its samples have no faces."""
        require_folder(root)
        return lambda entry: read_sample(root, entry)

    def review(self, root: str, samples: Iterable[pa.Table]) -> list[str]:
        """Returns a line on files of several pages, of which the first one is used, as `Dataset.review`."""
        paths = [path for table in samples for path in table["path"].to_pylist() if path.lower().endswith(_PAGED)]
        counts = {path: count for path in paths if (count := pages(os.path.join(root, path))) > 1}
        several = [f"{path} ({count})" for path, count in counts.items()]
        return [f"only the first page is used of {len(several)} files: {shortened(several)}"] if several else []


def _found(root: str, skipped: Skipped) -> Iterator[Entry]:
    """Yields the images below a folder; `skipped` receives the other files."""
    for path, version in scan(root, skipped=skipped):
        if reason := _no_image(root, path):
            skipped[reason].append(path)
        else:
            yield Entry(path, path, version)


def _no_image(root: str, path: str) -> str | None:
    """Returns why a file is no image, or None where it is one or claims to be."""
    if claims_to_be_image(path):
        return None
    try:
        with Path(root, path).open("rb") as file:
            return None if kind_of(file.read(HEAD)) else "that are no images"
    except OSError as error:
        return f"that cannot be read ({error.strerror})"
