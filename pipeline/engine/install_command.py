"""The command that installs a package into the environment that runs, for messages."""

from __future__ import annotations

from importlib.util import find_spec


def install_command(package: str) -> str:
    """Returns the command, such as ``pip install "wider8k[heic]"``; environments that uv made have no pip of their own.

    Args:
        package: its name, with extras if any.
    """
    program = "pip" if find_spec("pip") else "uv pip"
    return f'{program} install "{package}"' if "[" in package else f"{program} install {package}"
