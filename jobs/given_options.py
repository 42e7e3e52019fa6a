"""What a script has to know of the options of `wider8k run` before it hands them on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def given_options(words: Sequence[str]) -> argparse.Namespace:
    """Returns the `config`, `set` and `only` of a command line, each a list in the order given, and the `machine`.

    Other options are passed over. Of several configs or machines the last one counts, as for `wider8k run`; the machine
    is None without one.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in (("-c", "--config"), ("--set",), ("--only",)):
        parser.add_argument(*option, action="append", default=[])
    parser.add_argument("--machine")
    return parser.parse_known_args(list(words))[0]
