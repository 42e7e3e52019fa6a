from __future__ import annotations

import importlib.metadata
import os

import pytest

from pipeline.engine import provenance


def test_what_is_installed_has_its_version_and_the_rest_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package"))
    assert provenance.installed_versions() == {"numpy": importlib.metadata.version("numpy")}


def test_the_driver_is_this_process() -> None:
    assert provenance.driver()["pid"] == os.getpid()
    assert provenance.driver()["machine"]
