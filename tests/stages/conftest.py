from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import typer.main

from stages.cli.main import main
from tests.inference.networks import lively_file
from tests.stages.world import World


@dataclass(frozen=True)
class Answer:
    """What a command gave back: exit code, what it printed, and what it complained about."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Stages set the number of threads of their process, which here is everybody's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of an untrained detector whose answers vary from place to place."""
    return str(lively_file(tmp_path_factory.mktemp("weights")))


built_once = functools.cache(typer.main.get_command)
"""What builds the commands out of their functions, 0.02 s, which a process does once."""


@pytest.fixture
def wider8k(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """The command `wider8k` with its arguments, in this process."""
    monkeypatch.setenv("WIDER8K_DEBUG", "")  # --debug sets it: put back afterwards what was there
    monkeypatch.setattr(typer.main, "get_command", built_once)

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["wider8k", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return Answer(int(end.value.code or 0), printed.out, printed.err)

    return call
