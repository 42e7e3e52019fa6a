"""The elements of a JSON array, one at a time, so that a large file is never in memory as a whole.

ijson does the parsing; with its C backend it is as fast as Python's own json, which needs the whole file (20,000 tasks
with 100,000 boxes, 26 MB: 0.6 s). pyarrow's JSON reader wants an object a line, orjson and msgspec the whole file, too.
What ijson refuses and Python's json reads (NaN, Infinity, halves of surrogate pairs) is read as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any, Final

from pipeline.data.file_path import FilePath
from pipeline.data.json_kind import json_kind
from pipeline.engine.file_kind import file_kind

_BOM: Final = b"\xef\xbb\xbf"
_HEAD: Final = 4096


def stream_array(file: FilePath, key: str = "", data: bytes | None = None) -> Iterator[Any]:
    """Yields the elements of a file that is one JSON array; numbers with a point are floats.

    With ``key``, those of the array that the file's one object has under it; nothing where that is absent, or no array.
    ``data`` is what the file holds, where it was read before.

    Raises OSError: the file cannot be read; ValueError: it is no JSON array (object); the message gives file, element,
    expected and found.
    """
    import ijson

    index = 0
    with _opened(file, "{" if key else "[", data) as stream:
        try:
            for element in ijson.items(stream, f"{key}.item" if key else "item", use_float=True):
                yield element
                index += 1
        except (ijson.JSONError, UnicodeDecodeError) as error:
            where = f"{file}: " if key else f"{file}: [{index}]: "
            content = _as_a_whole(file, f"{where}expected JSON, found that {_problem(error)}", data)
            elements = content.get(key) if key else content
            yield from elements[index:] if isinstance(elements, list) else ()


def value_at(file: FilePath, key: str, data: bytes | None = None) -> Any:
    """Returns what the one object of a file has under a key: a scalar, ``[]`` for any array, ``{}`` for any object.

    None where the key is absent. Nothing behind the value is read.

    Raises as `stream_array`.
    """
    import ijson

    with _opened(file, "{", data) as stream:
        try:
            for prefix, event, value in ijson.parse(stream, use_float=True):
                if prefix == key:
                    return {"start_array": [], "start_map": {}}.get(event, value)
        except (ijson.JSONError, UnicodeDecodeError) as error:
            found = _as_a_whole(file, f"{file}: expected JSON, found that {_problem(error)}", data).get(key)
            return type(found)() if isinstance(found, list | dict) else found
    return None


def _as_a_whole(file: FilePath, problem: str, data: bytes | None) -> Any:
    """Returns what Python's json makes of a file. Raises ValueError: ijson's problem, where json refuses it too."""
    try:
        return json.loads(file.read_bytes() if data is None else data)
    except (ValueError, RecursionError):
        raise ValueError(problem) from None


@contextmanager
def _opened(file: FilePath, bracket: str, data: bytes | None = None) -> Iterator[IO[bytes]]:
    """Opens a file behind its BOM. Raises ValueError: it does not start with the bracket."""
    with file.open("rb") if data is None else BytesIO(data) as stream:
        head = stream.read(_HEAD)
        start = len(_BOM) if head.startswith(_BOM) else 0
        text = head[start:].lstrip()
        if not text.startswith(bracket.encode()):
            kind = file_kind(head)
            found = kind if kind != "JSON text" else json_kind(head)
            raise ValueError(f"{file}: expected a JSON {'array' if bracket == '[' else 'object'}, found {found}")
        stream.seek(start)
        yield stream


def _problem(error: Exception) -> str:
    """Returns what ijson says, and the text around the place, in one line."""
    problem = error.args[0] if error.args else ""
    text = problem.decode(errors="replace") if isinstance(problem, bytes) else str(error)
    words, *context = text.strip().splitlines() or ["it ends"]
    around = context[0].strip() if context else ""
    words = "the file ends within it: cut off?" if "premature EOF" in words else words
    return f"{words.rstrip('.')}, around {around!r}" if around else words
