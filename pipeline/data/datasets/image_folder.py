"""A folder of images without labels, searched with everything below it."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Final

import pyarrow as pa

from pipeline.data.datasets.dataset import Dataset, Log, Reader, no_log, require_folder
from pipeline.data.datasets.entries import Entries, Entry, in_order
from pipeline.data.datasets.files import Skipped, read_sample, scan, shortened, size_in, skipped_line
from pipeline.data.file_path import FilePath, address_of, read_ahead, read_beginning
from pipeline.data.image_kinds import HEAD, READ, claims_to_be_image, kind_of
from pipeline.data.images import pages
from pipeline.data.object_path import ObjectPath
from pipeline.engine.object_reader import UnreachableError

_AHEAD: Final = 2**28  # bytes of objects that are read at the same time
_MOST_A_PIXEL: Final = 8  # bytes of a TIFF
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
        folder, skipped = require_folder(root), Skipped(list)
        found = in_order(_found(folder, skipped))
        if line := skipped_line(skipped):
            log(line)
        if not found:
            raise FileNotFoundError(f"no image below {folder}: expected {', '.join(READ)}{line and f'; {line}'}")
        return found

    def open(self, root: str) -> Reader:
        """Returns a reader, as `Dataset.open`; its samples have no faces."""
        require_folder(root)
        return lambda entry: read_sample(root, entry)

    def review(self, root: str, samples: Iterable[pa.Table]) -> list[str]:
        """Returns a line on files of several pages, of which the first one is used, as `Dataset.review`."""
        sizes = {path: pixels for table in samples for path, pixels in _pixels(table) if path.lower().endswith(_PAGED)}
        folder, paths = require_folder(root), list(sizes)
        numbers = read_ahead(
            root, lambda path: _pages(folder / path), paths, lambda path: _MOST_A_PIXEL * sizes[path], _AHEAD
        )
        counts = {path: count for path, count in zip(paths, numbers, strict=True) if count > 1}
        several = [f"{path} ({count})" for path, count in counts.items()]
        return [f"only the first page is used of {len(several)} files: {shortened(several)}"] if several else []


def _found(root: FilePath, skipped: Skipped) -> Iterator[Entry]:
    """Yields the images below a folder; `skipped` receives the other files."""
    others = list[tuple[str, str]]()
    for path, version in scan(root, skipped=skipped):
        if claims_to_be_image(path):
            yield Entry(path, path, version)
        else:
            others.append((path, version))
    reasons = read_ahead(address_of(root), lambda file: _no_image(root, *file), others)
    for (path, version), reason in zip(others, reasons, strict=True):
        if reason:
            skipped[reason].append(path)
        else:
            yield Entry(path, path, version)


def _no_image(root: FilePath, path: str, version: str) -> str | None:
    """Returns why a file whose name is no image's is none, or None where it is one by its first bytes."""
    try:
        head = read_beginning(root / path, HEAD) if size_in(version) else b""
        return None if kind_of(head) else "that are no images"
    except UnreachableError:
        raise
    except OSError as error:
        return f"that cannot be read ({error.strerror})"


def _pixels(table: pa.Table) -> Iterator[tuple[str, int]]:
    columns = (table[name].to_pylist() for name in ("path", "width", "height"))
    yield from ((path, width * height) for path, width, height in zip(*columns, strict=True))


def _pages(file: FilePath) -> int:
    # An object is read once more for it: how many pages a file has is known from its end only.
    return pages(BytesIO(file.read_bytes()) if isinstance(file, ObjectPath) else str(file))
