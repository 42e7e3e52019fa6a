"""Names of files that are no UTF-8: neither a row nor a message can hold one as it is."""

from __future__ import annotations

import os


def escaped(name: str) -> str:
    r"""Returns a name as text that can be stored and printed: each byte that is of no character becomes ``\xe9``.

    Args:
        name: as the file system gives it (`os.fsdecode`), or a text that holds half of a surrogate pair.
    """
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


def is_utf8(name: str) -> bool:
    """Returns whether a name can be stored and printed as it is."""
    return escaped(name) == name
