"""Our rows beside a paper's, as a table, as Markdown and as LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipeline.data.schemas import LEVELS
from pipeline.evaluation.evaluation_table import EvaluationRow, columns_as_markdown
from pipeline.evaluation.metrics import metric_kinds, texts_of
from pipeline.evaluation.result_table import NONE, ResultTable, percent

_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "→": r"$\rightarrow$",
    "×": r"$\times$",
}


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One row of a table: what we found and what the paper prints, column -> text.

    Attributes:
        name: as it is shown.
        ours, paper: without the columns that are not known.
    """

    name: str
    ours: Mapping[str, str] = field(default_factory=dict)
    paper: Mapping[str, str] = field(default_factory=dict)


def beside(title: str, rows: Sequence[PaperRow], note: str = "") -> ResultTable:
    """Returns a table with each of the paper's columns right after our column of the same name.

    Columns of the paper that we have none for come last; a figure that is not known is a dash.
    """
    ours = list(dict.fromkeys(column for row in rows for column in row.ours))
    paper = list(dict.fromkeys(column for row in rows for column in row.paper))
    pairs = [(column, is_paper) for column in ours for is_paper in (False, True) if not is_paper or column in paper]
    pairs += [(column, True) for column in paper if column not in ours]
    header = ["", *(f"{column} (paper)" if is_paper else column for column, is_paper in pairs)]
    lines = [
        [row.name, *((row.paper if is_paper else row.ours).get(column, NONE) for column, is_paper in pairs)]
        for row in rows
    ]
    return ResultTable(title, header, lines, note)


def row_of(
    row: EvaluationRow,
    name: str,
    columns: Sequence[str] = (),
    stated: Mapping[str, float | str] | None = None,
    more: Mapping[str, str] | None = None,
) -> PaperRow:
    """Returns an evaluation as a row.

    Args:
        row: the evaluation, with what its config says of the paper.
        name: as it is shown.
        columns: those shown; () for all that are known.
        stated: column -> what else the paper prints.
        more: column -> further figures of our own.
    """
    ours = {level: percent(row.ap[level]) for level in LEVELS}
    for kind in metric_kinds():
        ours |= {title: text for title, text in texts_of(kind, row.metrics).items() if text != NONE}
    times = {"detect ms": row.detect_ms, "refine ms": row.refine_ms}
    ours |= {column: f"{value:.1f}" for column, value in times.items() if value is not None}
    paper = {level: f"{100 * value:.1f}" for level, value in row.paper_ap.items()}
    if row.paper_alarms is not None:
        paper["false alarms"] = str(row.paper_alarms)
    ours |= dict(more or {})
    paper |= {column: str(value) for column, value in (stated or {}).items()}
    if columns:
        ours = {column: ours[column] for column in columns if column in ours}
        paper = {column: text for column, text in paper.items() if column in columns or column not in LEVELS}
    return PaperRow(name, ours, paper)


def only_paper(stated: Mapping[str, Mapping[str, float | str]]) -> list[PaperRow]:
    """Returns rows of which only the paper's figures are known: name -> column -> number."""
    return [PaperRow(name, {}, {column: str(value) for column, value in row.items()}) for name, row in stated.items()]


def as_markdown(table: ResultTable) -> str:
    """Returns title, table and note as Markdown, ending in a newline."""
    columns = [(title, [row[place] for row in table.rows], place > 0) for place, title in enumerate(table.header)]
    note = f"\n{table.note}\n" if table.note else ""
    return f"## {table.title}\n\n{columns_as_markdown(columns)}{note}"


def as_latex(table: ResultTable) -> str:
    """Returns a table as a LaTeX `table`, which needs no package, ending in a newline; the note is in its caption."""
    lines = [" & ".join(map(latex_text, row)) + r" \\" for row in (table.header, *table.rows)]
    caption = latex_text(f"{table.title}. {table.note}".strip())
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
            r"\hline",
            lines[0],
            r"\hline",
            *lines[1:],
            r"\hline",
            r"\end{tabular}",
            rf"\caption{{{caption}}}",
            r"\end{table}",
            "",
        ]
    )


def latex_text(text: str) -> str:
    r"""Returns a text with every character escaped that LaTeX reads as something else.

    >>> latex_text("ap_n1: 50 %")
    'ap\\_n1: 50 \\%'
    """
    return "".join(_LATEX.get(character, character) for character in text)
