"""The errors that are one image's own, which its row then holds; others end the node."""

from collections.abc import Callable
from typing import TypeVar

from pipeline.inference.memory import out_of_memory

T = TypeVar("T")


def or_own_error(run: Callable[[], T]) -> T | ValueError | RuntimeError:
    """Returns the result of a function, or the error that is its image's own: a ValueError, or a lack of memory.

    Raises RuntimeError: the device or a library is broken: other images would fare no better.
    """
    try:
        return run()
    except ValueError as problem:
        return problem.with_traceback(None)  # it would keep the image
    except RuntimeError as problem:
        if not out_of_memory(problem):
            raise
        return RuntimeError(f"{type(problem).__name__}: {problem}")


def error_text(problem: ValueError | RuntimeError) -> str:
    """Returns what the row says; the RuntimeError of a lack of memory names the type of the error it was."""
    return str(problem) if isinstance(problem, RuntimeError) else f"{type(problem).__name__}: {problem}"
