"""Names of files that are not UTF-8, escaped for rows and messages."""

import os


def escaped(name: str) -> str:
    r"""Returns a name of `os.fsdecode` as text that can be stored and printed: an invalid byte becomes ``\xe9``."""
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


def is_utf8(name: str) -> bool:
    """Returns whether a name can be stored and printed as it is."""
    return escaped(name) == name
