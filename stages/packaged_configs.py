"""The configs that come with the project: in `configs` of a checkout, inside the package where it is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
CONFIGS: Final = _HERE / "configs" if (_HERE / "configs").is_dir() else _HERE.parent / "configs"
_BASE: Final = re.compile(r"^base:\s*(?P<file>[^\s#]+)", re.MULTILINE)


def find_config(path: Path) -> Path:
    """Returns a config file: the one at the path, else the packaged one of that name; the path where there is neither.

    Args:
        path: as typed: a file, or a name such as `smoke`, `smoke.yaml` or `configs/smoke.yaml`.
    """
    if path.exists():
        return path
    parts = path.parts[1:] if len(path.parts) > 1 and path.parts[0] == "configs" else path.parts
    packaged = CONFIGS.joinpath(*parts)
    for file in (packaged, packaged.with_name(f"{packaged.name}.yaml")):
        if not path.is_absolute() and file.suffix == ".yaml" and file.is_file():
            return file
    return path


def packaged_configs() -> list[Path]:
    """Returns the files of the configs that can be run, by name."""
    return sorted(CONFIGS.glob("*.yaml"))


def summary(file: Path) -> str:
    """Returns the first sentence of the comment at the head of a config, "" without one."""
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") or line.strip() == "#":
            break
        lines.append(line.lstrip("# ").rstrip())
    # No sentence ends in "Fig. 2".
    return re.split(r"(?<=[.?!])\s(?=[A-Z])", " ".join(lines), maxsplit=1)[0]


def with_bases(file: Path) -> Iterator[Path]:
    """Yields a packaged config and the files it is based on, each relative to `CONFIGS`."""
    yield file.relative_to(CONFIGS)
    found = _BASE.search(file.read_text(encoding="utf-8"))
    if found:
        yield from with_bases((file.parent / found["file"].strip("'\"")).resolve())
