"""Reader of the WIDER FACE submission text: `<event>/<name>.txt` with `x y w h score` rows.

The whole validation set (3,226 files, 300,000 rows) is read in about half a second: well-formed files are joined and
parsed by one Arrow call; any other file goes through `prediction_lines`, which finds the place of an error.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.wider_face.prediction_files import text_files
from pipeline.data.datasets.wider_face.prediction_lines import Reading, parse_lines
from pipeline.data.image_names import NameIndex
from pipeline.data.number_rows import parse_rows
from pipeline.data.prediction_format import ImageInfo, require_format
from pipeline.data.prediction_names import NameMatch
from pipeline.data.prediction_set import PredictionSet

_LISTED = 20  # malformed files that a message names
Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WiderText:
    """A submission: the detections of the wanted images, oddities of its files, and facts of one reading only.

    Read as by "matlab", the rows of an image fall in score (stable), and ``wide`` has all numbers [n, 6 or more] of
    rows with more than the five that are read. By "python" they are in file order, and float64 ``extra_scores`` take
    part in the normalisation.
    """

    predictions: PredictionSet  # in the order of the wanted images
    missing: tuple[str, ...]  # wanted images without a file (they have no detections; their faces still count)
    extra: tuple[str, ...]  # files that belong to no known image
    disagreeing: tuple[str, ...]  # files with more rows than line 2 says; only that many were read
    others: tuple[str, ...]  # names of some files that are not .txt
    extra_scores: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # of extra files
    wide: Mapping[str, Rows] = field(default_factory=dict)  # image id -> rows of more than five numbers

    def require(self, source: Path, known: Mapping[str, ImageInfo]) -> None:
        """Raises ValueError, beginning with ``source``, where names or numbers cannot be those of the known images."""
        NameMatch(self.predictions.image_ids, self.missing, self.extra, self.others).require(source)
        require_format(source, "x y w h", self._as_written(known))

    def _as_written(self, known: Mapping[str, ImageInfo]) -> Iterator[tuple[Rows, ImageInfo]]:
        for image_id, rows in self.predictions.by_image():
            if image_id in self.wide:
                yield self.wide[image_id], known.get(image_id, ImageInfo())
            else:
                boxes = rows[0].copy()
                boxes[:, 2:] -= boxes[:, :2]
                yield np.c_[boxes, rows[1]], known.get(image_id, ImageInfo())


def read_wider_text(
    source: Path, image_ids: Sequence[str], reading: Reading = "matlab", known: Collection[str] = ()
) -> WiderText:
    """Returns the detections of some images from a folder or an archive, at any depth in either.

    Args:
        source: folder, .tar.gz, .tgz, .tar or .zip.
        image_ids: wanted images, "<event>/<name>".
        reading: of which public tool, see `prediction_lines`. "matlab" finds a file by its path, as `NameIndex`
            compares names, sorts its rows and ignores other files. "python" finds it by its first line, keeps the order
            of the rows and fails where an image has no file; extra files take part in the score normalisation.
        known: images that exist but are not wanted; their files are neither read nor called extra.

    Raises FileNotFoundError: the source does not exist; ValueError: some files are malformed (named with line, expected
    and found), images are missing and the reading is "python", two files claim to be the same image's, or the archive
    cannot be read.
    """
    unrelated: list[str] = []
    files = text_files(source, unrelated)
    wanted = set(image_ids)
    others = set(known) - wanted
    existing = wanted | others
    if reading == "matlab":
        files = _under_their_image(source, files, existing)
    chosen = [name for name in files if name in wanted or (reading == "python" and name not in others)]
    found, disagreeing, malformed, wide = parse_files(files, chosen, reading)
    if malformed:
        raise ValueError(all_malformed(source, malformed, len(chosen)))
    # A file is called extra by the key that the reading uses: its path, or the name on its first line.
    keys = {name: name for name in files} if reading == "matlab" else {name: key for name, (key, _) in found.items()}
    extra = [f"{key}.txt" for key in sorted(key for name, key in keys.items() if name not in existing)]
    missing = [image_id for image_id in image_ids if image_id not in found]
    if missing and reading == "python":
        problem = NameMatch(wanted, missing, extra, unrelated).problem()
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise ValueError(f"{source}: {problem or 'no file for ' + ', '.join(missing[:5]) + more}")
    outside = [rows[:, 4] for name, (_, rows) in found.items() if name not in existing]
    empty = ("", np.zeros((0, 5)))
    predictions = _flat(image_ids, [found.get(image_id, empty)[1] for image_id in image_ids])
    if reading == "matlab":
        predictions = predictions.falling()
    extra_scores = np.concatenate([np.zeros(0), *outside])
    return WiderText(
        predictions, tuple(missing), tuple(extra), tuple(disagreeing), tuple(unrelated), extra_scores, wide
    )


def _under_their_image(source: Path, files: dict[str, bytes], existing: Collection[str]) -> dict[str, bytes]:
    """Returns the files by the image they mean, see `NameIndex`; those of no image keep their name."""
    if all(name in existing for name in files):
        return files
    index, found, meant = NameIndex(existing), dict[str, bytes](), dict[str, str]()
    for name, content in files.items():
        try:
            image_id = index.find(name) or name
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None
        if meant.setdefault(image_id, name) != name:
            raise ValueError(f"{source}: {meant[image_id]}.txt and {name}.txt are both files of {image_id}")
        found[image_id] = content
    return found


def all_malformed(source: Path, malformed: Sequence[str], of: int) -> str:
    """Returns the message for malformed files: how many ``of`` so many, and the first of them."""
    lines = [f"{source}: {len(malformed)} malformed files:", *malformed[:_LISTED]]
    if len(malformed) > _LISTED:
        lines.append(f"... and {len(malformed) - _LISTED} more of {of}")
    return "\n".join(lines)


def parse_files(
    files: dict[str, bytes], chosen: list[str], reading: Reading
) -> tuple[dict[str, tuple[str, Rows]], list[str], list[str], dict[str, Rows]]:
    """Returns image id -> (file, rows [n, 5]) of the readable files; disagreeing counts, malformed lines, wide rows.

    Args:
        files: name without ``.txt`` -> content.
        chosen: those of them to parse.
        reading: of which public tool, see `read_wider_text`.
    """
    wide: dict[str, Rows] = {}
    found: dict[str, tuple[str, Rows]] = {}
    disagreeing: list[str] = []
    malformed: list[str] = []
    quick = _parse_together(files, chosen, reading)
    for key in chosen:
        if key in quick:
            first, rows = quick[key]
        else:
            try:
                parsed = parse_lines(f"{key}.txt", files[key], reading)
            except ValueError as error:
                malformed.append(str(error))
                continue
            first, rows = parsed.name, np.array(parsed.rows, np.float64).reshape(-1, 5)
            if parsed.wide:
                wide[key] = np.array(parsed.wide, np.float64)
            if parsed.stated is not None and parsed.stated != parsed.present:
                disagreeing.append(f"{key}.txt: line 2 says {parsed.stated} rows, there are {parsed.present}")
        image_id = key if reading == "matlab" else _named(key, first)
        if image_id in found:
            other = f"{found[image_id][0]}.txt"
            malformed.append(f"{key}.txt:1: expected a name that {other} does not have, found {first!r}")
            continue
        found[image_id] = (key, rows)
    return found, disagreeing, malformed, wide


def _named(key: str, first: str) -> str:
    # The Python tool strips the characters . j p g from the end, not the suffix.
    return "/".join([*key.split("/")[:-1], first.split("/")[-1].rstrip(".jpg")])


def _parse_together(files: dict[str, bytes], chosen: list[str], reading: Reading) -> dict[str, tuple[str, Rows]]:
    """Returns first line and rows of the files that are plain; none at all where the joined parse fails."""
    keys, firsts, bodies, lengths = [], [], [], []
    for key in chosen:
        first, _, rest = files[key].replace(b"\r\n", b"\n").partition(b"\n")
        count, _, body = rest.partition(b"\n")
        body = body.replace(b" \n", b"\n").rstrip(b" ")
        if body and not body.endswith(b"\n"):
            body += b"\n"
        rows = body.count(b"\n")
        plain = first.strip() and not body.startswith((b" ", b"\n"))
        plain = plain and not any(odd in body for odd in (b"  ", b"\n ", b"\n\n"))
        if plain and (reading == "python" or (count.strip().isdigit() and int(count) == rows)):
            keys.append(key)
            firsts.append(first.decode("utf-8", errors="replace"))
            bodies.append(body)
            lengths.append(rows)
    table = parse_rows(b"".join(bodies), sum(lengths), 5)
    if table is None:
        return {}
    pieces = np.split(table, np.cumsum(lengths)[:-1]) if keys else []
    return {key: (first, rows) for key, first, rows in zip(keys, firsts, pieces, strict=True)}


def _flat(image_ids: Sequence[str], tables: list[Rows]) -> PredictionSet:
    rows = np.concatenate([np.zeros((0, 5)), *tables])
    boxes = rows[:, :4].copy()
    boxes[:, 2:] += boxes[:, :2]
    offsets = np.concatenate([[0], np.cumsum([len(table) for table in tables])]).astype(np.int64)
    return PredictionSet(tuple(image_ids), offsets, boxes, rows[:, 4].copy())
