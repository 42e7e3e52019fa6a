"""A maker that imports nothing before it is called, so that a plan can name networks and assigners without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from typing import Any


@dataclass(frozen=True, slots=True)
class Lazy:
    """Makes a network with random weights, or an assigner; keyword arguments are its switches.

    Attributes:
        module: imported when it is called.
        name: in that module, of a function or class that returns it, or of a config whose `build` does.
        presets: switches; those of a call go before them.
    """

    module: str
    name: str
    presets: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, **model_args: object) -> Any:
        """Returns what it makes.

        Raises:
            ValueError: there is no such switch.
        """
        target = getattr(import_module(self.module), self.name)
        known = signature(target).parameters
        if unknown := sorted(model_args.keys() - known.keys()):
            raise ValueError(f"{self.name} has no switch {', '.join(unknown)}; there are {', '.join(known)}")
        made = target(**{**self.presets, **model_args})
        return made.build() if hasattr(target, "build") else made
