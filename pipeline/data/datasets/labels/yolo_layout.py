"""The folders of a YOLO dataset: its ``data.yaml``, and which label file belongs to which image."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from pipeline.data.file_path import FilePath
from pipeline.data.text_lines import read_lines, refuse

_SPLITS: Final = ("train", "val", "test")
_LISTS: Final = ("classes.txt", "obj.names", "_darknet.labels")  # of the names of classes


@dataclass(frozen=True, slots=True)
class YoloLayout:
    """The content of ``data.yaml``.

    Attributes:
        file: that file, or the folder where there is none.
        names: class -> name; empty where unknown.
        splits: split -> folders, or text files with one image a line, as written.
        base: folder of these, relative to the dataset's.
        points: number of key points of a face, 0 where there are none.
        point_dims: numbers of each, 2 or 3; 0 where there are none.
    """

    file: FilePath
    names: Mapping[int, str] = field(default_factory=dict)
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    base: str = ""
    points: int = 0
    point_dims: int = 0

    def category(self, file: FilePath, line: int, numbers: Sequence[float]) -> str:
        """Returns the name of the class of a row. Raises ValueError: it has no such class, or fewer than 5 numbers."""
        if len(numbers) < 5 or numbers[0] != int(numbers[0]) or numbers[0] < 0:
            refuse(file, line, "class cx cy w h: a whole number and four finite ones", repr(list(numbers)))
        if self.names and int(numbers[0]) not in self.names:
            refuse(file, line, f"a class of {self.file.name}, one of {sorted(self.names)}", str(int(numbers[0])))
        return self.names.get(int(numbers[0]), str(int(numbers[0])))

    def images(self, root: FilePath, split: str, images: Collection[str]) -> Iterator[str]:
        """Yields the images, paths below the root, that belong to a split; of a list also those that are not there.

        Raises FileNotFoundError: a folder or list of the split is not there.
        """
        for written in self.splits[split]:
            place = self._place(root, written)
            if (root / place).is_file():
                known = set(images)
                for text in filter(None, read_lines(root / place)):
                    yield _listed(_relative(root, text, posixpath.dirname(place)), known)
            else:
                inside = "" if place == "." else f"{place}/"
                yield from (each for each in images if each.startswith(inside))

    def _place(self, root: FilePath, written: str) -> str:
        # Roboflow writes "../train/images" for what is beside data.yaml.
        plain = posixpath.normpath(_relative(root, written, self.base))
        for place in (plain, plain.removeprefix("../")):
            if not place.startswith(("..", "/")) and (root / place).exists():
                return place
        # The path on the machine that wrote the file: its longest end that is here.
        parts = plain.split("/") if plain.startswith("/") or plain[1:3] == ":/" else []
        for place in ("/".join(parts[first:]) for first in range(1, len(parts))):
            if (root / place).exists():
                return place
        raise FileNotFoundError(f"{self.file}: expected a folder or list of images below {root}, found {written!r}")


def _listed(path: str, images: Collection[str]) -> str:
    """Returns the image that a line of a list means; a path of another machine is the longest end that is one."""
    # CVAT writes "data/" before paths that its archive has without it.
    elsewhere = path.startswith(("/", "data/")) or path[1:3] == ":/"
    shorter = path
    while elsewhere and shorter and shorter not in images:
        shorter = shorter.partition("/")[2]
    return shorter or path


def _relative(root: FilePath, text: str, base: str) -> str:
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute():
        try:
            return path.relative_to(str(root.absolute())).as_posix()
        except ValueError:
            return path.as_posix()
    if path.as_posix()[1:3] == ":/":
        return path.as_posix()
    return posixpath.normpath(posixpath.join(base, path.as_posix()))


def read_layout(path: FilePath) -> tuple[FilePath, YoloLayout]:
    """Returns the dataset's folder and what its ``data.yaml`` says; where it has none, what a list of names does.

    Label Studio writes ``classes.txt``, CVAT ``obj.names``, Roboflow ``_darknet.labels``: a name a line. Where all are
    absent the layout is empty.

    Raises ValueError: the file is no YAML, names no classes, or there are several; the message gives file, field,
    expected and found.
    """
    if path.is_file():
        return path.parent, _read(path)
    files: list[FilePath] = [*sorted([*path.glob("*.yaml")], key=str), *sorted([*path.glob("*.yml")], key=str)]
    found = [file for file in files if "names" in _content(file)]
    if len(found) > 1:
        raise ValueError(f"{path}: expected one data.yaml, found {', '.join(file.name for file in found)}")
    if found:
        return path, _read(found[0])
    for listed in (path / name for name in _LISTS):
        if listed.is_file():
            return path, YoloLayout(listed, dict(enumerate(name for name in read_lines(listed) if name)))
    return path, YoloLayout(path)


def _content(file: FilePath) -> dict[str, Any]:
    try:
        text = file.read_bytes()
        # Aliases of aliases are a few lines that stand for billions of values; no tool writes them here.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise ValueError(f"{file}: expected YAML without aliases (*name), found one")
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: expected YAML, found that {' '.join(str(error).split())}") from None
    return content if isinstance(content, dict) else {}


def _read(file: FilePath) -> YoloLayout:
    content = _content(file)
    names = content.get("names")
    pairs = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
    classes = {key: str(name) for key, name in pairs if isinstance(key, int)}
    if not classes:
        raise ValueError(f"{file}: names: expected a list of classes, or number: name, found {names!r}")
    splits = {}
    for split in _SPLITS:
        value = content.get(split)
        places = value if isinstance(value, list) else [value] if value else []
        if not all(isinstance(each, str) for each in places):
            raise ValueError(f"{file}: {split}: expected a folder, a text file or a list of them, found {value!r}")
        if places:
            splits[split] = tuple(places)
    base = content.get("path") or ""
    # Often the path on the machine that wrote the file, or one below its folder of datasets.
    base = _relative(file.parent, str(base), "") if base else ""
    base = base if base and not base.startswith(("/", "..")) and (file.parent / base).is_dir() else ""
    shape = content.get("kpt_shape")
    if shape is not None and not (isinstance(shape, list) and len(shape) == 2 and shape[1] in (2, 3)):
        raise ValueError(f"{file}: kpt_shape: expected [points, 2 or 3], found {shape!r}")
    points, dims = shape or (0, 0)
    return YoloLayout(file, classes, splits, "" if base == "." else base, points, dims if points == 5 else 0)


def label_path(image: str) -> str:
    """Returns the label file of an image: its last folder ``images`` is ``labels``, the ending ``.txt``."""
    parts = list(PurePosixPath(image).parts)
    if (place := _images_folder(parts)) is not None:
        parts[place] = "labels"
    return PurePosixPath(*parts).with_suffix(".txt").as_posix()


def image_name_of(image: str) -> str:
    """Returns the path of an image without its last folder ``images``."""
    parts = list(PurePosixPath(image).parts)
    if (place := _images_folder(parts)) is not None:
        del parts[place]
    return PurePosixPath(*parts).as_posix()


def _images_folder(parts: Sequence[str]) -> int | None:
    return next((place for place in range(len(parts) - 2, -1, -1) if parts[place] == "images"), None)
