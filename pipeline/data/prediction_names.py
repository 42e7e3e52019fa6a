"""Check that predictions are named after their images; a mismatch is refused with the name that was found.

An image without predictions counts as one without detections, so that wrong names would give a low AP and no error. A
partial set, and a set with more images than are wanted, are both valid.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.data.image_names import without_ending

_STRANGE = 0.9  # of both sides without a partner: another set, whatever the few that match
_FEW = 10


@dataclass(frozen=True, slots=True)
class NameMatch:
    """The match of predictions and images by name."""

    wanted: Collection[str]  # images to be evaluated
    missing: Sequence[str]  # those of them without predictions
    extra: Sequence[str]  # names of predictions, ending included, that belong to no image that exists
    others: Sequence[str] = ()  # names of files that are no predictions
    suffix: str = ".txt"  # of a file of predictions, "" for rows of a table

    def require(self, source: object) -> None:
        """Raises ValueError, its message beginning with ``source``, where there is a `problem`."""
        if problem := self.problem():
            raise ValueError(f"{source}: {problem}")

    def problem(self) -> str | None:
        """Returns why these cannot be predictions of these images, in one line, or None."""
        if not self.missing:
            return None
        similar = _similar(self.missing, [*self.extra, *self.others])
        first = next(iter(similar), self.missing[0])
        if len(self.missing) == len(self.wanted):
            what = "has a file" if self.suffix else "is among its rows"
            none = f"none of {len(self.wanted)} images {what}, the first would be {first}{self.suffix}"
            return f"{none}; {self._found(first, similar)}"
        # A folder of another name may be another set with equal numbers; one of no name or spelt alike is not.
        alike = {name: twin for name, twin in similar.items() if _bare(twin) in ("", _bare(name))}
        if alike:
            first = next(iter(alike))
            some = f"{len(alike)} of {len(self.wanted)} images have a name of another form"
            return f"{some}, the first should be {first}{self.suffix}; {self._found(first, alike)}"
        matched = len(self.wanted) - len(self.missing)
        strange = len(self.extra) > _STRANGE / (1 - _STRANGE) * matched
        if strange and len(self.missing) > max(_FEW, _STRANGE * len(self.wanted)):
            return (
                f"only {matched} of {len(self.wanted)} images have predictions, and {len(self.extra)} predictions are "
                f"of other images, such as {self.extra[0]}: are they of another set? Leave the others out, or name the "
                "images that count (--images)"
            )
        return None

    def _found(self, first: str, similar: Mapping[str, str]) -> str:
        if twin := similar.get(first):
            return f"found {twin}: {_advice(first, twin, self.suffix)}"
        if self.extra:
            more = f" and {len(self.extra) - 1} more" if len(self.extra) > 1 else ""
            numbers = all(map(str.isdigit, self.extra))
            ids = " Numbers are ids of the images of COCO labels: --labels names those" if numbers else ""
            return f"found {self.extra[0]}{more}: are they predictions of another set?{ids}"
        if self.others:
            return f"found no {self.suffix or 'row'}, but {', '.join(self.others[:3])}"
        return f"found no {self.suffix} file at all" if self.suffix else "found no rows at all"


def _similar(missing: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Returns image -> the most similar name: of the same folder and stem, or else the same stem alone."""
    by_path, by_stem = {}, {}
    for name in reversed(names):
        folder, stem = _folder(name).lower(), _stem(name)
        by_path[folder, stem] = name
        by_stem[stem] = name
    twins = {each: by_path.get((_folder(each).lower(), _stem(each))) or by_stem.get(_stem(each)) for each in missing}
    return {image_id: twin for image_id, twin in twins.items() if twin is not None}


def _folder(name: str) -> str:
    return PurePosixPath(name).parent.name


def _bare(name: str) -> str:
    """Returns the folder's name, letters in lower case and digits only: 0--Parade and 0_parade are one."""
    return "".join(filter(str.isalnum, _folder(name).lower()))


def _stem(name: str) -> str:
    """Returns the last part of a name in lower case, without any endings of images and text."""
    stem = name.rpartition("/")[2].lower()
    while (shorter := without_ending(stem.removesuffix(".txt"))) != stem:
        stem = shorter
    return stem


def _advice(image_id: str, twin: str, suffix: str) -> str:
    expected = f"{image_id}{suffix}".rpartition("/")[2]
    name = twin.rpartition("/")[2]
    if name != expected:
        same = name.lower() == expected.lower()
        return f"rename {name} to {expected}" + (", letters large and small as they are there" if same else "")
    return f"put it into a folder {_folder(image_id)}" if _folder(image_id) else "put it at the top"
