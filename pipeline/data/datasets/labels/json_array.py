"""The elements of a JSON array, one at a time, so that a large file is never in memory as a whole.

ijson does the parsing; with its C backend it is as fast as Python's own json, which needs the whole file (20,000 tasks
with 100,000 boxes, 26 MB: 0.6 s). pyarrow's JSON reader wants an object a line, orjson and msgspec the whole file, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_BOM: Final = b"\xef\xbb\xbf"


def stream_array(file: Path) -> Iterator[Any]:
    """Yields the elements of a file that is one JSON array; numbers with a point are floats.

    Raises OSError: the file cannot be read; ValueError: it is no JSON array; the message gives file, element, expected
    and found.
    """
    import ijson

    index = 0
    with file.open("rb") as stream:
        if stream.read(len(_BOM)) != _BOM:
            stream.seek(0)
        start = stream.tell()
        if (head := stream.read(4096).lstrip())[:1] != b"[":
            raise ValueError(f"{file}: expected a JSON array, found {head[:40].decode(errors='replace')!r}")
        stream.seek(start)
        try:
            for element in ijson.items(stream, "item", use_float=True):
                yield element
                index += 1
        except (ijson.JSONError, UnicodeDecodeError) as error:
            problem = error.args[0] if error.args else ""
            text = problem.decode(errors="replace") if isinstance(problem, bytes) else str(error)
            found = next(iter(text.strip().splitlines()), "it ends")
            raise ValueError(f"{file}: [{index}]: expected JSON, found that {found}") from None
