from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.engine.install_command import install_command


def test_the_program_is_one_that_this_environment_has() -> None:
    has_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0
    assert install_command("wider8k[heic]") == ("" if has_pip else "uv ") + 'pip install "wider8k[heic]"'


@pytest.mark.parametrize(("found", "program"), [(object(), "pip"), (None, "uv pip")])
def test_a_name_with_an_extra_is_quoted(found: object, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.engine.install_command.find_spec", lambda name: found)
    assert install_command("torch") == f"{program} install torch"
    assert install_command("wider8k[onnx]") == f'{program} install "wider8k[onnx]"'
