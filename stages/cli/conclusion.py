"""What a run prints at its end."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from pipeline.engine.config import Config
from pipeline.engine.outcome import Outcome
from pipeline.engine.storage import Store
from pipeline.engine.terminal import has_cursor, link
from stages.cli.ap_table import ap_table
from stages.cli.run_summary import run_summary

FAILED = 1  # exit code


def conclude(
    outcome: Outcome,
    loaded: Config,
    store: Store,
    took: str,
    again: str,
    tables: bool = True,
    summary: bool = True,
) -> None:
    """Prints exports, notes, the AP of every evaluation, and last how the run ended.

    With `tables` it prints the Markdown of the exports too, with `summary` what each node took.

    Raises typer.Exit where something failed or could not begin.
    """
    for name in (*outcome.computed, *outcome.reused):
        for file in loaded.graph.nodes[name].stage.exports(name):
            print(f"{name}: {link(store.path(file), sys.stdout)}")
            if tables and file.endswith(".md"):  # short, and made to be read as it is
                print(store.read(file).decode())
    if summary and (text := run_summary(outcome, loaded.graph.nodes)):
        print(text)
    for line in outcome.notes:
        print(line)
    if table := ap_table(outcome.outputs):
        print(table.text())
    counts = f"{len(outcome.computed)} computed, {len(outcome.reused)} reused"
    if not outcome.failed and not outcome.blocked:
        print(f"done: {counts} in {took}")
        return
    failed = "; ".join(f"{name}: {message.splitlines()[0]}" for name, message in outcome.failed.items())
    waiting = f", {len(outcome.blocked)} not begun ({', '.join(outcome.blocked)})" if outcome.blocked else ""
    reason = f", for {', '.join(outcome.missing)} is neither stored nor selected" if outcome.missing else ""
    print(f"failed: {failed or 'nothing could start'}; {counts}{waiting}{reason}. Fix it, then resume with: {again}")
    raise typer.Exit(FAILED)


def print_pages(outcome: Outcome, loaded: Config, store: Store) -> None:
    """Prints each page of the run as a link that a terminal opens; elsewhere as an address."""
    exports = [file for name in outcome.outputs for file in loaded.graph.nodes[name].stage.exports(name)]
    pages = [store.path(file) for file in exports if file.endswith(".html")]
    for path in pages:
        address = path if "://" in path else Path(path).absolute().as_uri()
        print(f"report: {link(path, sys.stdout) if has_cursor(sys.stdout) else address}")
    if not pages:
        print("report: no finished node makes a page; a `report` node in the config makes one")
