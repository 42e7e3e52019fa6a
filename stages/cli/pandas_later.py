"""Keeps pandas out of commands that have no use for it: pyarrow looks for it when somebody imports it, and not before.

At its first array of Python objects pyarrow imports pandas, 0.34 s of CPU, to be able to recognise its objects. There
are none before somebody imports pandas: here it finds none at first, and looks again after that import. What is given a
`Series` then, or is asked for a data frame, does what it always does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


def import_pandas_later() -> None:
    """Arranges it for this process, where pyarrow is not imported yet; else changes nothing."""
    if "pyarrow" not in sys.modules:
        sys.meta_path.insert(0, _Imports({"pyarrow": _find_none, "pandas": _look_again}))


def _find_none() -> None:
    import pyarrow

    if "pandas" not in sys.modules:  # pandas imports pyarrow itself
        hidden = _Hidden()
        sys.meta_path.insert(0, hidden)
        try:
            pyarrow.array([0])
        finally:
            sys.meta_path.remove(hidden)


def _look_again() -> None:
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].array([0]).to_pandas()


class _Hidden(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


class _Imports(MetaPathFinder):
    """Calls functions, each once, right after the import of the module that it belongs to."""

    def __init__(self, after: Mapping[str, Callable[[], None]]) -> None:
        self._after = dict(after)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in self._after else None
        if spec and spec.loader:
            spec.loader = _Then(spec.loader, self._after.pop(name))
        return spec


class _Then(Loader):
    def __init__(self, loader: Loader, call: Callable[[], None]) -> None:
        self._loader, self._call = loader, call

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._call()
