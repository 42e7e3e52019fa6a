from __future__ import annotations

import json
from dataclasses import replace

from pipeline.evaluation.run_comparison import RunComparison, compare_runs
from pipeline.evaluation.run_comparison_page import comparison_json, comparison_page, comparison_tables, summary
from tests.evaluation.small_sets import LEVELS, small_set
from tests.evaluation.test_run_comparison import run, shuffled


def compared(seed: int = 5) -> RunComparison:
    data = small_set(seed)
    runs = run("first <run>", data, data.predictions, size=1), run("second", data, shuffled(data, seed), size=[2, "x"])
    return compare_runs(*runs, resamples=80, seed=1)


def test_json_holds_every_figure() -> None:
    found = compared()
    plain = json.loads(comparison_json(found))
    assert plain["runs"] == ["first <run>", "second"]
    assert (plain["images"], plain["left_out"], plain["resamples"], plain["seed"]) == (8, 0, 80, 1)
    assert plain["config"] == [{"field": "size", "a": 1, "b": [2, "x"]}]
    for level in LEVELS:
        ap = plain["ap"][level]
        assert ap["difference"]["value"] == ap["b"]["value"] - ap["a"]["value"]
        assert 0 < ap["difference"]["p_value"] <= 1
    assert len(plain["gained"]) == len(found.gained) > 0
    assert set(plain["lost"][0]) == {"image", "change", "faces", "found", "false"}


def test_tables_and_summary_name_what_matters() -> None:
    found = compared()
    tables = comparison_tables(found)
    assert [table.title.split(" ")[0] for table in tables] == ["AP", "What", "Images", "Images"]
    assert tables[1].rows == [("size", "1", '[2, "x"]')]
    hard = found.tests["hard"]
    assert f"p = {hard.p_value:.3f}" in summary(found)
    assert f"{100 * hard.difference.value:+.2f}" in tables[0].rows[2][3]
    assert "chance" in summary(found)
    assert "2 images of one run alone are left out." in summary(replace(found, left_out=2))
    alike = compare_runs(
        run("a", small_set(0), small_set(0).predictions), run("b", small_set(0), small_set(0).predictions)
    )
    assert len(comparison_tables(alike)) == 1
    assert "may be chance, p = 1.000" in summary(alike)


def test_the_page_has_them_all_and_asks_the_network_for_nothing() -> None:
    found = compared()
    page = comparison_page(found, ["wider8k compare a b"]).replace("<wbr>", "")
    for text in ("first &lt;run&gt;", "wider8k compare a b", "What differs in the config", found.gained[0].image_id):
        assert text in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "src=" not in page
    assert comparison_page(found) == comparison_page(found)
