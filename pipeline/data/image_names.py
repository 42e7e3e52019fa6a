"""Names of images as different programs write them: with or without folders and endings, in any case of letters."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pipeline.data.image_kinds import READ

_ENDINGS: Final = "|".join(re.escape(ending) for endings in READ.values() for ending in endings)
_ENDING: Final = re.compile(rf"({_ENDINGS})\Z", re.IGNORECASE)
_SHOWN: Final = 3


def without_ending(name: str) -> str:
    """Returns a name without the ending of an image file: ``2008_000008.jpg`` and ``2008_000008`` are one image."""
    return _ENDING.sub("", name)


def plain_name(name: str) -> str:
    r"""Returns a name with forward slashes, without spaces around it and without ``./`` or ``/`` before it.

    >>> plain_name(".\\0--Parade\\a.jpg ")
    '0--Parade/a.jpg'
    """
    parts = name.strip().replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


class NameIndex:
    """Finds the image that a name means.

    The first rule that fits any image decides: the name is the image's; it is so without ``./``, backslashes and the
    ending; one of the two is the end of the other's path, as in ``/data/afw/1.jpg`` and ``1`` (of several images that
    end the name, the longest); the same two rules whatever the case of the letters; both are numbers that differ in the
    zeros before them only.
    """

    def __init__(self, image_ids: Iterable[str]) -> None:
        """Takes the images; of two that differ in their ending only, each is found by its whole name alone."""
        self._ids = list(dict.fromkeys(image_ids))
        self._known = set(self._ids)
        self._exact = _Stems(self._ids, _stem)
        self._folded: _Stems | None = None
        self._numbers: dict[int, list[str]] | None = None

    def find(self, name: str) -> str | None:
        """Returns the image, or None where the name belongs to none.

        Raises ValueError: it may be several images; the message names the first ones.
        """
        found = self._candidates(name)
        if len(found) > 1:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise ValueError(f"{name}: expected the name of one image, found {' and '.join(found[:_SHOWN])}{more}")
        return found[0] if found else None

    def _candidates(self, name: str) -> Sequence[str]:
        if name in self._known:
            return [name]
        if not _stem(name):
            return []
        if found := self._exact.find(name):
            return found
        self._folded = self._folded or _Stems(self._ids, _folded)
        return self._folded.find(name) or self._by_number(name)

    def _by_number(self, name: str) -> Sequence[str]:
        if not (_is_number(stem := _stem(name))):
            return []
        if self._numbers is None:
            self._numbers = defaultdict(list)
            for image_id in self._ids:
                if _is_number(last := _last(_stem(image_id))):
                    self._numbers[int(last)].append(image_id)
        return self._numbers.get(int(stem), [])


class _Stems:
    """Images by their name without its ending, and by the last part of that."""

    def __init__(self, image_ids: Iterable[str], stem: Callable[[str], str]) -> None:
        self._stem = stem
        self._by_stem, self._by_last = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        for image_id in image_ids:
            each = stem(image_id)
            if each not in self._by_stem:
                self._by_last[_last(each)].append(each)
            self._by_stem[each].append(image_id)

    def find(self, name: str) -> Sequence[str]:
        stem = self._stem(name)
        if found := self._by_stem.get(stem):
            return found
        alike = self._by_last.get(_last(stem), [])
        # Of "a/1" and "1" the first one is meant by "photos/a/1".
        inside = max((each for each in alike if stem.endswith(f"/{each}")), key=len, default=None)
        around = [each for each in alike if each.endswith(f"/{stem}")]
        return [image_id for each in ([inside] if inside else around) for image_id in self._by_stem[each]]


def _stem(name: str) -> str:
    return without_ending(plain_name(name))


def _folded(name: str) -> str:
    # A Mac writes é as two characters.
    return unicodedata.normalize("NFC", _stem(name)).casefold()


def _last(stem: str) -> str:
    return stem.rpartition("/")[2]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
