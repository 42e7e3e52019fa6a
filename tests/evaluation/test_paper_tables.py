"""Our rows beside a paper's: which column is where, and that Markdown and LaTeX have every cell of it."""

from __future__ import annotations

import re

from pipeline.evaluation.evaluation_table import EvaluationRow
from pipeline.evaluation.paper_tables import PaperRow, as_latex, as_markdown, beside, latex_text, row_of
from pipeline.evaluation.result_table import ResultTable

AP = {"easy": 0.9, "medium": 0.8, "hard": float("nan")}
FIGURES = {"alarm_score": 0.5, "alarms": 7, "recall": 0.25}


def test_the_papers_columns_follow_ours_and_what_only_it_has_comes_last() -> None:
    rows = [PaperRow("a", {"easy": "1", "ms": "2"}, {"easy": "3", "MB": "4"}), PaperRow("b", {"ms": "5"})]
    table = beside("t", rows)
    assert table.header == ["", "easy", "easy (paper)", "ms", "MB (paper)"]
    assert table.rows == [["a", "1", "3", "2", "4"], ["b", "–", "–", "5", "–"]]


def test_an_evaluation_becomes_a_row() -> None:
    row = EvaluationRow("ap", AP, FIGURES, {"easy": 0.946}, 948, detect_ms=1.25)
    found = row_of(row, "Baseline", (), {"AP on 8K": 24.1}, {"ranker MB": "127.1"})
    assert found.ours == {"easy": "90.00", "medium": "80.00", "hard": "–", "false alarms": "7", "hard recall": "25.00", "detect ms": "1.2", "ranker MB": "127.1"}  # fmt: skip
    assert found.paper == {"easy": "94.6", "false alarms": "948", "AP on 8K": "24.1"}
    few = row_of(row, "Baseline", ("medium", "easy"), {"AP on 8K": 24.1})
    assert list(few.ours) == ["medium", "easy"] and few.paper["easy"] == "94.6"


def test_markdown_has_one_line_per_row_of_equal_cells() -> None:
    text = as_markdown(ResultTable("Title", ("", "x|y"), [("a_b", "1"), ("c", "2")], "A note."))
    assert text.startswith("## Title\n\n") and text.endswith("\nA note.\n")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(re.split(r"(?<!\\)\|", line)) for line in lines] == [4] * 4


def test_latex_is_a_whole_table_with_nothing_left_to_escape() -> None:
    text = as_latex(ResultTable("50 % & more", ("", "p_1"), [("ap_a", "–"), ("{b}", "2 #")], "1 $"))
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    body = text[text.index(r"\begin{tabular}") : text.index(r"\end{tabular}")]
    assert [line.count(" & ") for line in body.splitlines() if line.endswith(r"\\")] == [1, 1, 1]
    assert r"\caption{50 \% \& more. 1 \$}" in text and r"ap\_a & --" in text and r"\{b\} & 2 \#" in text
    assert latex_text("a~b^c\\") == r"a\textasciitilde{}b\textasciicircum{}c\textbackslash{}"
