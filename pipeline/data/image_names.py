"""Names of images as different programs write them: with or without a folder, with or without an ending."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from pipeline.data.image_kinds import READ

_ENDINGS: Final = "|".join(re.escape(ending) for endings in READ.values() for ending in endings)
_ENDING: Final = re.compile(rf"({_ENDINGS})\Z", re.IGNORECASE)


def without_ending(name: str) -> str:
    """Returns a name without the ending of an image file: ``2008_000008.jpg`` and ``2008_000008`` are one image."""
    return _ENDING.sub("", name)


class NameIndex:
    """Finds the image that a name means.

    A name is compared without its ending. Where only one of the two has a folder, or a longer one, the rest of the
    path decides, as long as that belongs to one image only: ``/data/afw/1.jpg`` means ``1``.
    """

    def __init__(self, image_ids: Iterable[str]) -> None:
        """Takes the images; where two differ in their ending only, names are compared with it."""
        self._by_name = {image_id: image_id for image_id in image_ids}
        stems = Counter(map(without_ending, self._by_name))
        self._by_stem = {stem: image_id for image_id in self._by_name if stems[stem := without_ending(image_id)] == 1}
        lasts = Counter(map(_last, self._by_stem))
        self._by_last = {last: stem for stem in self._by_stem if lasts[last := _last(stem)] == 1}

    def find(self, name: str) -> str | None:
        """Returns the image, or None where the name belongs to none, or to several."""
        stem = without_ending(name).replace("\\", "/")
        if found := self._by_name.get(name) or self._by_stem.get(stem):
            return found
        other = self._by_last.get(_last(stem), "")
        short, long = sorted((stem, other), key=len)
        return self._by_stem[other] if short and long.endswith(f"/{short}") else None


def _last(stem: str) -> str:
    return stem.rpartition("/")[2]
