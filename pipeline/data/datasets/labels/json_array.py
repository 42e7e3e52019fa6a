"""The elements of a JSON array, one at a time, so that a large file is never in memory as a whole.

Python's own decoder does the parsing: ijson, the well-kept library for this, is another dependency, and takes several
times as long for objects that are small and needed whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TextIO

CHUNK: Final = 1 << 16
_SPACE: Final = " \t\r\n"
_NUMBER: Final = 32  # characters of a number's end at most


def stream_array(file: Path, chunk: int = CHUNK) -> Iterator[Any]:
    """Yields the elements of a file that is one JSON array.

    ``chunk`` characters are read at a time, more for an element that is longer.

    Raises OSError: the file cannot be read; ValueError: it is no JSON array; the message gives file, element, expected
    and found.
    """
    index = 0
    with file.open(encoding="utf-8-sig") as stream:
        ahead = _Ahead(stream, chunk)
        try:
            if ahead.next() != "[":
                raise ValueError(f"{file}: expected a JSON array, found {ahead.shown()}")
            ahead.drop()
            closed = ahead.next() == "]"
            while not closed:
                if index and ahead.next() == "]":
                    raise ValueError(f"{file}: [{index}]: expected an element after the comma, found ]")
                yield ahead.element(f"{file}: [{index}]")
                closed = ahead.next() == "]"
                if not closed:
                    ahead.drop()
                index += 1
            ahead.drop()
            if ahead.next():
                raise ValueError(f"{file}: expected nothing after the array, found {ahead.shown()}")
        except UnicodeDecodeError as error:
            raise ValueError(f"{file}: expected text in UTF-8, found {error}") from None
        except RecursionError:
            raise ValueError(f"{file}: [{index}]: expected fewer levels of brackets, found too many") from None


class _Ahead:
    """The text of a file from some place on, read in chunks."""

    def __init__(self, stream: TextIO, chunk: int) -> None:
        self._stream, self._chunk, self._text = stream, chunk, ""
        self._decoder = json.JSONDecoder()

    def next(self) -> str:
        """Returns the next character that is no space, "" at the end of the file."""
        while not (text := self._text.lstrip(_SPACE)):
            self._text = self._stream.read(self._chunk)
            if not self._text:
                return ""
        self._text = text
        return text[0]

    def drop(self) -> None:
        """Drops a character."""
        self._text = self._text[1:]

    def shown(self) -> str:
        """Returns the next characters for a message."""
        return repr(self._text[:40])

    def element(self, where: str) -> Any:
        """Returns the next element; a comma or the end of the array is next then."""
        more = self._chunk
        self.next()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text)
                after = self._text[end:].lstrip(_SPACE)
                problem = f"a comma after it, found {after[:40]!r}"
            except json.JSONDecodeError as error:
                after, problem = "", f"JSON, found that {error.msg}"
            if after[:1] in (",", "]") and after:
                self._text = after
                return value
            # A number may go on in the next chunk: 1 and .5; anything else that follows is a mistake.
            data = self._stream.read(more) if len(after) < _NUMBER else ""
            if not data:
                raise ValueError(f"{where}: expected {problem if self._text else 'JSON, found the end of the file'}")
            self._text, more = self._text + data, 2 * more
