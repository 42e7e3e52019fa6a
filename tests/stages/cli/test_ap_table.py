from __future__ import annotations

from dataclasses import dataclass

from pipeline.data.schemas import SAMPLES
from pipeline.evaluation.result_schemas import AP
from stages.cli.ap_table import ap_table


@dataclass
class Stored:
    """A finished output of rows that are given."""

    key: str
    found: list[dict[str, object]]

    @property
    def manifest(self) -> Stored:
        return self

    def rows(self, columns: list[str]) -> list[dict[str, object]]:
        return [{name: row[name] for name in columns} for row in self.found]


def evaluation(**ap: float | None) -> Stored:
    return Stored(AP.names[0], [{"subset": subset, "ap": value} for subset, value in ap.items()])


def test_every_evaluation_is_a_row_and_every_subset_a_column():
    other = Stored(SAMPLES.names[0], [])
    table = ap_table({"faces": other, "ap": evaluation(easy=0.9, hard=0.5), "ap_of_others": evaluation(all=None)})
    assert table is not None
    assert table.text().splitlines() == [
        "AP in %",
        "  evaluation     easy   hard  all",
        "  ap            90.00  50.00    \u2013",
        "  ap_of_others      \u2013      \u2013    \u2013",
    ]


def test_a_run_without_an_evaluation_has_no_table():
    assert ap_table({"faces": Stored(SAMPLES.names[0], [])}) is None
