"""Error messages without what differs from item to item, so that equal errors can be counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 120
_NAME = re.compile(
    r"'[^']*'|\"[^\"]*\"|\S*/\S*[^\s:,;.]|[\w.-]+\.(?:jpe?g|png|tiff?|webp|bmp|gif|heic|avif)\b", re.IGNORECASE
)
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")


def error_kind(message: str) -> str:
    """Returns an error message without names in quotes, paths, file names and numbers, in one line.

    >>> error_kind("ValueError: /data/a.jpg: 12 of 30 bytes are missing")
    'ValueError: …: N of N bytes are missing'
    """
    return " ".join(_NUMBER.sub("N", _NAME.sub("…", message)).split())[:LONGEST]


def count_kinds(errors: Iterable[tuple[str, str]]) -> list[tuple[str, int, str]]:
    """Returns (kind, how many, key of the first) of each kind among (key, message) pairs, the most frequent first."""
    counts, first = Counter[str](), dict[str, str]()
    for key, message in errors:
        kind = error_kind(message)
        counts[kind] += 1
        first.setdefault(kind, key)
    return [(kind, count, first[kind]) for kind, count in counts.most_common()]
