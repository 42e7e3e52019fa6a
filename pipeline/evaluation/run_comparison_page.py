"""A comparison of two runs as JSON, as tables for a terminal, and as a page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from pipeline.evaluation.bootstrap import Interval
from pipeline.evaluation.config_difference import config_table
from pipeline.evaluation.page import PageData, render_page
from pipeline.evaluation.result_table import ResultTable, percent
from pipeline.evaluation.run_comparison import ImageChange, RunComparison
from pipeline.evaluation.run_result import RunResult

SIGNIFICANT: Final = 0.05


def comparison_json(found: RunComparison) -> str:
    """Returns all figures of a comparison with all digits, ending in a newline.

    `{"runs", "images", "left_out", "resamples", "seed", "subset", "ap": {subset: {"a", "b", "difference"}}, "config":
    [{"field", "a", "b"}], "gained": [{"image", "change", "faces", "found": [a, b], "false": [a, b]}], "lost"}`.
    """
    ap = {
        subset: {"a": a.to_json(), "b": b.to_json(), "difference": found.tests[subset].to_json()}
        for subset, (a, b) in found.ap.items()
    }
    content = {
        "runs": list(found.names),
        "images": found.images,
        "left_out": found.left_out,
        "resamples": found.resamples,
        "seed": found.seed,
        "subset": found.subset,
        "ap": ap,
        "config": [{"field": name, "a": a, "b": b} for name, a, b in found.config],
        "gained": [_image_json(each) for each in found.gained],
        "lost": [_image_json(each) for each in found.lost],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


def comparison_tables(found: RunComparison) -> list[ResultTable]:
    """Returns AP with intervals and the paired test, the differences of config, and the images that changed most."""
    rows = []
    for subset, (a, b) in found.ap.items():
        test = found.tests[subset]
        difference = _shown(test.difference, sign=True)
        rows.append((subset, _shown(a), _shown(b), difference, f"{test.p_value:.3f}"))
    drawn = f"{found.resamples:,} resamples of {found.images:,} images"
    tables = [
        ResultTable(
            "AP with 95 % intervals, and the difference of the second run from the first",
            ("subset", *found.names, "difference", "p"),
            rows,
            f"Percentiles of {drawn}, the same ones for both runs; p is the two-sided paired test of no difference.",
        )
    ]
    if found.config:
        tables.append(config_table(found.names, found.config))
    for title, images in (("gained", found.gained), ("lost", found.lost)):
        if images:
            within = "" if found.subset == "all" else f" in {found.subset}"
            tables.append(_image_table(f"Images that {title} most{within}", images))
    return tables


def summary(found: RunComparison) -> str:
    """Returns a sentence on each subset: how much the second run differs, and whether that is more than chance."""
    parts = []
    for subset, test in found.tests.items():
        if math.isnan(test.p_value):  # no face counts
            parts.append(f"{subset} – (no face counts)")
            continue
        chance = "more than chance" if test.p_value < SIGNIFICANT else "may be chance"
        parts.append(f"{subset} {percent(test.difference.value, sign=True)} ({chance}, p = {test.p_value:.3f})")
    left_out = f"; {found.left_out:,} images of one run alone are left out" if found.left_out else ""
    return f"{found.names[1]} against {found.names[0]} on {found.images:,} images: {', '.join(parts)}{left_out}."


def comparison_page(found: RunComparison, commands: Sequence[str] = ()) -> str:
    """Returns the self-contained HTML page of a comparison: AP, curves, tables, protocol and command."""
    named = list(zip(found.names, found.results, strict=True))
    page = PageData(
        title=f"{found.names[0]} and {found.names[1]}",
        summary=summary(found),
        runs=[RunResult(name, "", "", result.protocol, result.ap, result.counts) for name, result in named],
        errors=[
            f"{name}: {kind}: {line}"
            for name, result in named
            for kind, lines in result.problems.items()
            for line in lines
        ],
        commands=commands,
        tables=comparison_tables(found),
    )
    return render_page(page)


def _image_table(title: str, images: Sequence[ImageChange]) -> ResultTable:
    rows = [
        (
            each.image_id,
            percent(each.change, 3, sign=True),
            f"{each.faces}",
            f"{each.found[0]} → {each.found[1]}",
            f"{each.false[0]} → {each.false[1]}",
        )
        for each in images
    ]
    note = (
        "Change: the image's part of the difference of AP, in per cent: the mean over both runs of what AP gains where "
        "this image alone has the second run's detections. Found faces and false positives at any score."
    )
    return ResultTable(title, ("image", "change", "faces", "found", "false"), rows, note)


def _image_json(each: ImageChange) -> dict[str, Any]:
    return {
        "image": each.image_id,
        "change": each.change,
        "faces": each.faces,
        "found": list(each.found),
        "false": list(each.false),
    }


def _shown(each: Interval, sign: bool = False) -> str:
    return f"{percent(each.value, sign=sign)} [{percent(each.low, sign=sign)}, {percent(each.high, sign=sign)}]"
