"""The bytes of a file that people hand in: of a regular file or an object, and of no more than can be an image."""

import os
import stat
from pathlib import Path
from typing import Final

from pipeline.data.object_path import ObjectPath
from pipeline.engine.object_reader import ObjectTooLargeError

MOST_BYTES: Final = 2**31 - 1
"""Largest file that a decoder takes; 179 megapixels of 16 bits and four channels are 1.4 GB."""

_KINDS: Final = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


class NotAFileError(ValueError):
    """A path that leads to no regular file, or to one that is larger than any image; the message is one line."""


def read_file(path: str | os.PathLike[str] | ObjectPath, most: int = MOST_BYTES) -> bytes:
    """Returns the bytes of a regular file, or of an object, by one request.

    A file is never waited for a writer, as a FIFO without one would have it, and what has more bytes than ``most`` is
    not begun.

    Raises OSError: it cannot be opened or read, `UnreachableError` where that is the store's trouble; NotAFileError: it
    is a FIFO, a socket or a device, or has more than ``most`` bytes.
    """
    if isinstance(path, ObjectPath):
        try:
            return path.read_bytes(most)
        except ObjectTooLargeError as error:
            raise NotAFileError(str(error)) from None
    with open(path, "rb", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise NotAFileError(f"not a regular file but {_KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}")
        if status.st_size > most:
            raise NotAFileError(
                f"a file of {status.st_size / 2**30:.1f} GB, and none of more than {most} bytes is read"
            )
        return file.read()


def _open_at_once(path: str, flags: int) -> int:
    """Opens a file for reading; a device, which opening may set to work, and a socket, which has none, are refused."""
    mode = Path(path).stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise NotAFileError(f"not a regular file but {_KINDS.get(stat.S_IFMT(mode), 'something else')}")
    return os.open(path, flags | os.O_NONBLOCK)
