from __future__ import annotations

import importlib.metadata
import os

from pipeline.engine.provenance import PACKAGES, driver, versions


def test_versions_are_those_of_the_packages_that_are_here():
    assert versions()["pyarrow"] == importlib.metadata.version("pyarrow")
    assert set(versions()) <= set(PACKAGES)


def test_the_driver_is_this_process():
    assert driver()["pid"] == os.getpid()
    assert driver()["machine"]
