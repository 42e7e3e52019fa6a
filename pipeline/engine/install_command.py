"""The command that installs a package into the environment that runs, for messages."""

from __future__ import annotations

import functools
from importlib.metadata import PackageNotFoundError, version


def install_command(package: str) -> str:
    """Returns the command, such as ``pip install "wider8k[heic]"``; environments that uv made have no pip of their own.

    Args:
        package: its name, with extras if any.
    """
    program = "pip" if _has_pip() else "uv pip"
    return f'{program} install "{package}"' if "[" in package else f"{program} install {package}"


@functools.cache
def _has_pip() -> bool:
    # `find_spec("pip")` would switch off setuptools' distutils in this process, without which torch compiles nothing.
    try:
        version("pip")
    except PackageNotFoundError:
        return False
    return True
