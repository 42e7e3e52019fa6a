"""Entries of `ASSIGNERS`: nothing is imported before one is built, and what they say of a class is true."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.ali_ams import AliAms
from pipeline.training.assigners.atss import Atss
from pipeline.training.assigners.hambox import HamBox
from pipeline.training.assigners.max_iou import STANDARD, MaxIou
from pipeline.training.assigners.ota import Ota
from pipeline.training.assigners.spec import AssignerSpec


def test_what_each_name_is() -> None:
    assert {name: spec.build() for name, spec in ASSIGNERS.items()} == {
        "max_iou": MaxIou(),
        "s3fd": MaxIou(low_quality_iou=None, compensation=0.1),
        "mogface": STANDARD,
        "hambox": HamBox(),
        "atss": Atss(),
        "ota": Ota(),
        "ali_ams": AliAms(),
        "ali_ams_own_level": AliAms(variant="own_level"),
        "ali_ams_official": AliAms(variant="official"),
    }


def test_names_and_needs_are_known_without_torch() -> None:
    code = (
        "import sys; from pipeline.training.recipes.detector import ASSIGNERS, DetectorRecipe; "
        "print(*(DetectorRecipe(assigner=name).assigner for name, spec in ASSIGNERS.items() if spec.needs_prediction), "
        "'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "hambox ota ali_ams ali_ams_own_level ali_ams_official False\n"


@pytest.mark.parametrize(("make", "stated"), [(Ota, False), (Atss, True)])
def test_an_entry_that_contradicts_its_class_is_refused(make: type[Ota | Atss], stated: bool) -> None:
    words = f"{make.__name__} has needs_prediction = {not stated}, its entry of ASSIGNERS {stated}"
    with pytest.raises(ValueError, match=words):
        AssignerSpec("one", make, stated).build()
