"""The screen of a terminal: what is left on it of a program's output."""

from __future__ import annotations

import re

_PARTS = re.compile(r"\x1b\]8;[^\x1b]*\x1b\\\\|\x1b\[([0-9;]*)([A-Za-z])|([\s\S])")


class Screen:
    """Lines of a fixed number of columns, with a history as long as it gets; raises ValueError for unknown controls."""

    def __init__(self, columns: int) -> None:
        self.columns, self.row, self.column = columns, 0, 0
        self.cells: list[list[str]] = [[]]

    def feed(self, text: str) -> Screen:
        """Takes output; returns itself."""
        for match in _PARTS.finditer(text):
            number, command, sign = match.groups()
            if command:
                self._control(command, number)
            elif sign:
                self._put(sign)
        return self

    def lines(self) -> list[str]:
        """Returns what is on the screen, without the empty lines at its end."""
        return "\n".join("".join(cells).rstrip() for cells in self.cells).rstrip().split("\n")

    def _control(self, command: str, number: str) -> None:
        if command == "A":
            self.row = max(0, self.row - int(number or 1))
        elif command in "KJ" and not number:
            del self.cells[self.row][self.column :]
            if command == "J":
                del self.cells[self.row + 1 :]
        elif command != "m":
            raise ValueError(f"unknown control: {number}{command}")

    def _put(self, sign: str) -> None:
        if sign == "\r":
            self.column = 0
        elif sign == "\n" or self.column == self.columns:
            self.row += 1
            self.cells += [[] for _ in range(self.row + 1 - len(self.cells))]
            self.column = self.column if sign == "\n" else 0
        if sign not in "\r\n":
            line = self.cells[self.row]
            line += " " * (self.column + 1 - len(line))
            line[self.column] = sign
            self.column += 1
