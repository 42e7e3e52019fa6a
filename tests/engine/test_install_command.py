from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.engine.install_command import _has_pip, install_command


def test_the_program_is_one_that_this_environment_has() -> None:
    has_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0
    assert install_command("wider8k[heic]") == ("" if has_pip else "uv ") + 'pip install "wider8k[heic]"'


@pytest.mark.parametrize(("found", "program"), [(True, "pip"), (False, "uv pip")])
def test_a_name_with_an_extra_is_quoted(found: bool, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.engine.install_command._has_pip", lambda: found)
    assert install_command("torch") == f"{program} install torch"
    assert install_command("wider8k[onnx]") == f'{program} install "wider8k[onnx]"'


def test_setuptools_keeps_its_distutils_with_which_torch_compiles() -> None:
    """A search for a module named pip switches them off for the whole process."""
    hack = pytest.importorskip("_distutils_hack")
    _has_pip.cache_clear()
    install_command("torch")
    assert "spec_for_distutils" not in vars(hack.DISTUTILS_FINDER)
