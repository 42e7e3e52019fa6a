"""Copies of networks, made in a fraction of the time of `copy.deepcopy`."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def copy_network(network: Network) -> Network:
    """Returns what `copy.deepcopy` would: equal values in memory of their own, without gradients of the parameters."""
    known: dict[int, Any] = {id(each): copy.deepcopy(each) for each in (*network.parameters(), *network.buffers())}
    return _twin(network, known)


def copy_modules(network: Network) -> Network:
    """Returns a copy of the modules that still has the parameters and buffers of the network itself."""
    return _twin(network, {id(each): each for each in (*network.parameters(), *network.buffers())})


def _twin(module: Network, known: dict[int, Any]) -> Network:
    """Returns a copy of a module and of all of its parts.

    `copy.deepcopy` asks every attribute of every layer how it is copied: with it RetinaFace-MobileNet's copy for
    inference took 29 ms and HRNet-W18's 320; so they take 10 and 160.

    Args:
        module: to be copied.
        known: id of an object -> its copy, as `copy.deepcopy` has it; grows.
    """
    if id(module) in known:
        found: Network = known[id(module)]
        return found
    if type(module).__getstate__ is not nn.Module.__getstate__ or hasattr(module, "__deepcopy__"):
        return copy.deepcopy(module, known)
    twin = known[id(module)] = module.__new__(type(module))
    for name, value in module.__dict__.items():
        if name in ("_modules", "_compiled_call_impl"):  # copied below; not copied by torch either
            continue
        if name in ("_parameters", "_buffers"):
            twin.__dict__[name] = {key: _copied(tensor, known) for key, tensor in value.items()}
        elif isinstance(value, dict) and not value:
            twin.__dict__[name] = value.copy()
        elif _is_atom(value) or (type(value) is tuple and all(map(_is_atom, value))):
            twin.__dict__[name] = value
        else:
            twin.__dict__[name] = copy.deepcopy(value, known)
    children = module._modules.items()
    twin.__dict__["_modules"] = {name: None if child is None else _twin(child, known) for name, child in children}
    return twin


def _copied(tensor: Tensor | None, known: dict[int, Any]) -> Tensor | None:
    copied: Tensor | None = None if tensor is None else known[id(tensor)]
    return copied


def _is_atom(value: object) -> bool:
    return value is None or type(value) in (bool, int, float, str)
