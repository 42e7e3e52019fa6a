"""How much compressed files that people hand in hold: bounded before it is in memory."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from pipeline.engine.file_kind import HEAD, file_kind

_OPENERS: Final[dict[str, Callable[[Path], Any]]] = {
    "a gzip file": gzip.open,
    "a bzip2 file": bz2.open,
    "an xz file": lzma.open,
}
_CHUNK: Final = 2**20
_MAT_COMPRESSED: Final = 15  # type of a compressed element of a MATLAB file
_MAT_HEADER: Final = 128


class TooLargeError(ValueError):
    """A file opens to more than is read; the message is one line, without the file's name."""


class BoundedReader:
    """A readable file, decompressed by what it is, that gives back no more than a number of bytes at once.

    For `tarfile`, which reads whatever length a header names.
    """

    def __init__(self, path: Path, most: int) -> None:
        """Opens the file. Raises OSError."""
        with path.open("rb") as file:
            kind = file_kind(file.read(HEAD))
        self._file: IO[bytes] = _OPENERS.get(kind, open)(path, "rb")
        self._most = most

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes. Raises TooLargeError: more are asked for than are given at once."""
        if not 0 <= size <= self._most:
            raise TooLargeError(f"a part of {size:,} bytes, and none above {self._most:,} is read")
        return self._file.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        """Moves as any file does; what is passed over is held nowhere."""
        return self._file.seek(position, whence)

    def tell(self) -> int:
        """Returns the position in what the file opens to."""
        return self._file.tell()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def check_mat_size(file: IO[bytes], most: int) -> None:
    """Raises TooLargeError where compressed variables of a MATLAB file (version 5) open to more than ``most`` bytes.

    Only counts: what is damaged, or of another version, is left to its reader.
    """
    total = 0
    head = file.read(_MAT_HEADER)
    order = "little" if head[126:128] == b"IM" else "big"
    while len(tag := file.read(8)) == 8:
        kind, size = int.from_bytes(tag[:4], order), int.from_bytes(tag[4:], order)  # type: ignore[arg-type]
        if kind != _MAT_COMPRESSED:
            file.seek(size, 1)
            continue
        total += _inflated(file, size, most - total)
        if total > most:
            raise TooLargeError(f"its variables open to more than {most:,} bytes, and no more are read")


def _inflated(file: IO[bytes], size: int, most: int) -> int:
    """Returns how many bytes the next ``size`` of a file inflate to; a number above ``most`` once that is passed."""
    end, count, inflate = file.tell() + size, 0, zlib.decompressobj()
    try:
        while file.tell() < end and count <= most and (data := file.read(min(_CHUNK, end - file.tell()))):
            while data and count <= most:
                count += len(inflate.decompress(data, _CHUNK))
                data = inflate.unconsumed_tail
    except zlib.error:  # damaged: its reader says so
        file.seek(end)
    return count
