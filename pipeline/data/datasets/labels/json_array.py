"""The elements of a JSON array, one at a time, so that a large file is never in memory as a whole.

Python's own decoder does the parsing: ijson, the well-kept library for this, is another dependency, and takes several
times as long for objects that are small and needed whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

CHUNK: Final = 1 << 20
_SPACE: Final = " \t\r\n"


def stream_array(file: Path, chunk: int = CHUNK) -> Iterator[Any]:
    """Yields the elements of a file that is one JSON array.

    ``chunk`` characters are read at a time, more for an element that is longer.

    Raises OSError: the file cannot be read; ValueError: it is no JSON array; the message gives file, element, expected
    and found.
    """
    decoder, index = json.JSONDecoder(), 0
    with file.open(encoding="utf-8-sig") as stream:
        try:
            text = _skip(stream.read(chunk))
            if text[:1] != "[":
                raise ValueError(f"{file}: expected a JSON array, found {text[:40]!r}")
            text, more = text[1:], chunk
            while True:
                text = _skip(text)
                if text[:1] == "]":
                    if rest := _skip(text[1:] + stream.read()):
                        raise ValueError(f"{file}: expected nothing after the array, found {rest[:40]!r}")
                    return
                try:
                    element, end = decoder.raw_decode(text)
                    # A number may go on in the next chunk, and what follows has to be seen.
                    after = _skip(text[end:])
                    if not after:
                        raise json.JSONDecodeError("the file ends", text, end)
                except json.JSONDecodeError as error:
                    if data := stream.read(more):
                        text, more = text + data, 2 * more
                        continue
                    raise ValueError(f"{file}: [{index}]: expected JSON, found that {error.msg}") from None
                if after[0] not in ",]":
                    raise ValueError(f"{file}: [{index}]: expected a comma after it, found {after[:40]!r}")
                yield element
                # The comma ends this element; without one the array has to end here.
                text, index, more = after[after[0] == "," :], index + 1, chunk
                if after[0] == ",":
                    while not (text := _skip(text)) and (data := stream.read(chunk)):
                        text = data
                    if text[:1] == "]":
                        raise ValueError(f"{file}: [{index}]: expected an element after the comma, found ]")
        except UnicodeDecodeError as error:
            raise ValueError(f"{file}: expected text in UTF-8, found {error}") from None
        except RecursionError:
            raise ValueError(f"{file}: [{index}]: expected fewer levels of brackets, found too many") from None


def _skip(text: str) -> str:
    return text.lstrip(_SPACE)
