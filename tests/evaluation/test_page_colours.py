"""Contrast of the page's colours in both settings by the formula of WCAG 2: AA is 4.5 for text and 3 for lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.evaluation import page as page_module
from pipeline.evaluation.plot_frame import COLOURS

CSS = (Path(page_module.__file__).parent / "page_parts" / "page.css").read_text(encoding="utf-8")
RUNS = [f"c{number}" for number in range(COLOURS)]
MARKS = ["hit", "miss", "alarm", "local", "twice"]


def palettes() -> dict[str, dict[str, str]]:
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.S)
    )
    return {"light": light, "dark": {**light, **dark}}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_formula() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("setting", ["light", "dark"])
def test_text_and_lines_can_be_seen(setting: str) -> None:
    colour = palettes()[setting]
    text = [(name, ground, 4.5) for name in ("ink", "soft", "accent") for ground in ("card", "ground")]
    text += [("on-accent", "accent", 4.5)]
    lines = [(name, "card", 3.0) for name in (*RUNS, "bar", "false", "edge", "accent")]
    lines += [("edge", "ground", 3.0), ("accent", "ground", 3.0)]  # borders of controls, the ring of the focus
    lines += [(name, ground, 3.0) for name in MARKS for ground in ("photo", "frame")]
    poor = [
        (name, on, round(contrast(colour[name], colour[on]), 2))
        for name, on, least in text + lines
        if contrast(colour[name], colour[on]) < least
    ]
    assert poor == []


@pytest.mark.parametrize("setting", ["light", "dark"])
def test_found_faces_differ_from_all_faces(setting: str) -> None:
    assert contrast(palettes()[setting]["accent"], palettes()[setting]["bar"]) > 1.5
