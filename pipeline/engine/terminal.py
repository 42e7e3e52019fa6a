"""Lines at the bottom of a terminal that replace themselves, and links in it.

The cursor rests at the start of the first of these lines, never hidden. Any other writer, such as a signal handler, can
so clear them (`CLEAR`) and print a line of its own without asking where the cursor is; the next drawing is below it.
This is why rich renders the lines but its `Live` does not draw them: that moves up from where it left the cursor, and
would erase what was printed in between.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Final, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.engine.node_progress import ProgressState
from pipeline.engine.redaction import redact

CLEAR: Final = "\r\x1b[J"
"""Erases everything from the line of the cursor to the end of the screen."""
_BAR_WIDTH: Final = 20  # cells
_WIDE: Final = 72  # narrower terminals have no room for a bar


def has_cursor(stream: TextIO | int) -> bool:
    """Returns whether a stream, or the file of this number, is a terminal whose cursor can be moved."""
    terminal = os.isatty(stream) if isinstance(stream, int) else stream.isatty()
    return terminal and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def terminal_size(stream: TextIO) -> tuple[int, int]:
    """Returns columns and rows of the terminal behind a stream; 80 x 24 where it does not say."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, rows = shutil.get_terminal_size()
    return columns or 80, rows or 24


def link(path: str, stream: TextIO) -> str:
    """Returns a path as a link that a terminal opens on a click (OSC 8); elsewhere, and of a URL, as it is."""
    if not has_cursor(stream) or "://" in path:
        return path
    return f"\x1b]8;;{Path(path).absolute().as_uri()}\x1b\\{path}\x1b]8;;\x1b\\"


def render(states: Sequence[ProgressState], columns: int, rows: int) -> list[str]:
    """Returns one line per node with a bar, as many as fit; ``NO_COLOR`` in the environment leaves out the colours.

    Args:
        states: of the running nodes.
        columns: of the terminal; no line is as wide, so that none wraps.
        rows: of the terminal; where more nodes run than fit, the last line counts the others.
    """
    room = max(1, rows - 2)
    shown = states if len(states) <= room else states[: room - 1]
    width = max(10, columns - 1)
    grid = Table.grid(padding=(0, 1))
    named = min(max((cell_len(each.node) for each in shown), default=0), max(8, width // 3))
    grid.add_column(no_wrap=True, overflow="ellipsis", width=named)
    if columns >= _WIDE:
        grid.add_column(width=_BAR_WIDTH)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for each in shown:
        bar = ProgressBar(total=1.0, completed=each.share or 0.0, width=_BAR_WIDTH)
        facts = _facts(each)  # cut off here: the table would take from the names as well
        facts.truncate(width - named - 1 - (_BAR_WIDTH + 1) * (columns >= _WIDE), overflow="ellipsis")
        grid.add_row(Text(each.node), *([bar] if columns >= _WIDE else []), facts)
    target = StringIO()
    console = Console(file=target, width=width, height=rows, force_terminal=True, legacy_windows=False)
    console.print(grid)
    lines = [line.rstrip() for line in target.getvalue().splitlines()]
    return lines + ([f"and {len(states) - len(shown)} more"] if len(shown) < len(states) else [])


def _facts(state: ProgressState) -> Text:
    """Returns what is known of a node, the most important first: a narrow terminal cuts off the end."""
    text = Text(" ".join(redact(state.count).split()))
    parts = [(state.left, "yellow" if state.stalled else "cyan"), *((each, "") for each in state.extras())]
    if state.errors:
        parts[1] = (parts[1][0], "red")
    for part, style in (*parts, (state.rate, ""), (state.shards, "dim")):
        if part:
            text.append(" " if text.plain else "").append(part, style=style)
    return text


class BottomLines:
    """Draws lines below everything that was printed; not safe for several threads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._shown = stream, False

    def draw(self, lines: Sequence[str]) -> None:
        """Replaces the lines. Each is overwritten in its place and in one write, so that nothing flickers."""
        if not lines:
            self.clear()
            return
        text = "\n".join(f"\r{line}\x1b[K" for line in lines) + "\x1b[J\r"
        self._stream.write(text + (f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""))
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Erases the lines: what is printed next is in their place."""
        if self._shown:
            self._stream.write(CLEAR)
            self._stream.flush()
            self._shown = False
