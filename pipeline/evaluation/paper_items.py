"""The tables and figures of the papers: what each shows, needs and prints, and the config behind it; read from YAML.

`configs/papers/*.yaml` hold them, one entry each; a new one is one entry more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from pipeline.data.schemas import LEVELS
from pipeline.engine.literal_yaml import LiteralModel, read_yaml
from pipeline.engine.registry import Registry
from pipeline.evaluation.metrics import metric_kinds

State = Literal["whole", "stand-in", "part", "server"]
STATES: Final[Mapping[State, str]] = {
    "whole": "every row and curve, of what is listed as needed",
    "stand-in": "every row and curve, with something else in place of what is not public",
    "part": "without the rows and curves whose predictions are not public",
    "server": "the archive for the benchmark's server, which alone has the faces",
}
"""State -> what one command prints."""
Kind = Literal["ap", "sizes", "levels", "cumulative", "scores", "heights", "gallery", "vanished", "submission"]
COLUMNS = (
    *LEVELS,
    *(title for kind in metric_kinds() for title in kind.titles),
    *("detect ms", "refine ms", "detector ms", "ranker ms", "ranker MB"),
)
"""Figures of our own that a table can have: AP and shares in per cent, milliseconds of one image in one worker.

"detect ms" and "refine ms" are of whole steps; "detector ms" and "ranker ms" are without reading, decoding and writing.
"""


class PaperItem(LiteralModel):
    """One table or figure of a paper.

    Attributes:
        shows: what it is about.
        prints: what the command prints.
        needs: data, weights and machines, a few words each.
        state: one of `STATES`.
        lacks: what is not public; for all but "whole".
        then: what to do once one has it; for all but "whole".
        config: file in `configs` behind it.
        node: the node of that config that it is printed from, with all that leads there.
        kind: how it is printed, see `stages/cli/paper_results.py`.
        cost: in words where it was measured or is below that of the whole config; else what was counted for that.
        datasets: node -> the dataset that it takes with `--images`, where the config draws faces.
        files: name -> pattern of nodes; `--weights NAME=FILE` gives their files.
        columns: of `COLUMNS`, those shown; () for all that the node has.
        rows: name of a row -> the paper's name for it.
        paper: name of a row -> column -> the paper's number, beside those that the config's own table has.
        only_paper: rows of the paper that the config has none for: as shown -> column -> number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shows: str
    prints: str
    needs: tuple[str, ...]
    state: State
    lacks: str = ""
    then: str = ""
    config: str
    node: str
    kind: Kind
    cost: str = ""
    datasets: dict[str, dict[str, str]] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    columns: tuple[str, ...] = ()
    rows: dict[str, str] = Field(default_factory=dict)
    paper: dict[str, dict[str, float | str]] = Field(default_factory=dict)
    only_paper: dict[str, dict[str, float | str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Raises ValueError where state and fields do not go together."""
        for name, text in (("lacks", self.lacks), ("then", self.then)):
            if (self.state == "whole") != (not text):
                raise ValueError(f"state is {self.state}: expected {name} for all but 'whole', found {text!r}")
        if unknown := [each for each in self.columns if each not in COLUMNS]:
            raise ValueError(f"columns: expected {', '.join(COLUMNS)}, found {', '.join(unknown)}")
        return self


def read_items(folder: Path) -> Registry[PaperItem]:
    """Returns the entries of all files of a folder by name, e.g. "mogface-table-3", in the papers' order.

    Raises:
        ValueError: no file, one that is no mapping of entries, an entry that does not fit, or a name that comes twice.
    """
    found: dict[str, PaperItem] = {}
    for file in sorted(folder.glob("*.yaml"), reverse=True):
        tree = read_yaml(file.read_bytes(), str(file))
        if not isinstance(tree, Mapping):
            raise ValueError(f"{file}: expected a mapping of tables and figures, found {type(tree).__name__}")
        for name, fields in tree.items():
            if name in found:
                raise ValueError(f"{file}: {name} comes twice")
            try:
                found[str(name)] = PaperItem.model_validate(fields)
            except ValidationError as error:
                problems = [f"{'.'.join(map(str, each['loc']))} {each['msg']}".strip() for each in error.errors()]
                raise ValueError(f"{file}: {name}: {'; '.join(problems)}") from None
    if not found:
        raise ValueError(f"{folder}: expected tables and figures of the papers (*.yaml), found none")
    return Registry("table or figure", found)


def counted_costs(page: str) -> dict[str, str]:
    """Returns config -> its GPU-hours in words, of the table of every config in the text of `configs/COSTS.md`."""
    section = page.partition("## Every config")[2].partition("\n## ")[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("|")]
    if not lines:
        return {}
    place = lines[0].index("all")
    names = ((re.fullmatch(r"`(\w+)`", line[0]), line[place]) for line in lines[2:])
    return {name[1]: hours for name, hours in names if name}
