"""What SECURITY.md says was tried: files made to harm are refused with a line, and no code reads them by a way to run some."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import pickle
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import pipeline
from pipeline.data.datasets import DATASETS
from pipeline.data.datasets.labels.found_labels import find_labels
from pipeline.data.datasets.wider_face.prediction_files import text_files
from pipeline.data.datasets.wider_face.submission import submission_names
from pipeline.data.images import encode_jpeg
from pipeline.engine.literal_yaml import read_yaml
from pipeline.engine.storage import Store
from pipeline.evaluation.benchmark_page import benchmark_page
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
from pipeline.evaluation.benchmarks.voc import Afw
from pipeline.evaluation.voc_ap import VocCounts
from pipeline.training.loop.checkpoints import _CHECKSUM_BYTES, Checkpoints
from tests.stages.world import drawn_image

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(each for floor in ("pipeline", "stages", "jobs") for each in (ROOT / floor).rglob("*.py"))
# Ray sends work to its own workers by pickle; nothing that was read from a file goes there.
PICKLES = {"pipeline/cluster/shard_worker.py", "pipeline/cluster/ray_loader.py", "jobs/benchmarks/pipeline_run.py"}
SECONDS = 20.0  # a bomb that goes off takes minutes and gigabytes


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yields the dotted name and the call of every call in a file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keywords(call: ast.Call) -> dict[str | None, str]:
    return {each.arg: ast.unparse(each.value) for each in call.keywords}


def test_no_file_is_read_by_a_way_that_runs_code() -> None:
    found, loads = [], 0
    for file in SOURCES:
        place = file.relative_to(ROOT).as_posix()
        for name, call in calls(file):
            given = keywords(call)
            if name == "torch.load":
                loads += 1
                found += [place] if given.get("weights_only") != "True" else []
            elif name.startswith("pickle."):
                found += [place] if place not in PICKLES else []
            elif name == "yaml.load":
                found += [place] if ast.unparse(call.args[1]) not in ("_Loader", "_QuickLoader") else []
            elif (
                name
                in (
                    "eval",
                    "exec",
                    "os.system",
                    "marshal.loads",
                    "yaml.unsafe_load",
                    "yaml.full_load",
                    "joblib.load",
                )
                or given.get("shell", "False") != "False"
                or given.get("allow_pickle", "False") != "False"
                or name.endswith(".extractall")
            ):
                found.append(place)
    assert not found
    assert loads == 2


class Evil:
    """Runs a command where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("kind", ["zip", "old", "plain"])
def test_a_pickle_in_a_checkpoint_is_refused_and_does_nothing(kind: str, tmp_path: Path) -> None:
    file, mark = tmp_path / "weights.pth", tmp_path / "mark"
    if kind == "plain":
        file.write_bytes(pickle.dumps({"layer": Evil(mark)}))
    else:
        torch.save({"layer": Evil(mark)}, file, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(ValueError, match="not a checkpoint that torch can load safely"):
        pipeline.load(str(file), detector="retinaface_mobilenet")
    with pytest.raises(ValueError, match="weights.pth"):
        pipeline.load_ranker(str(file))
    assert not mark.exists()


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)
)


def test_aliases_of_aliases_are_no_bomb(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(
        ValueError, match=r"bomb\.yaml:5: not valid YAML: its aliases stand for more than 20,000 values"
    ):
        read_yaml(BOMB.encode(), "bomb.yaml")
    (tmp_path / "images").mkdir()
    (tmp_path / "data.yaml").write_text(f"{BOMB}names: *a9\n")
    with pytest.raises(ValueError, match=r"data\.yaml: expected YAML without aliases \(\*name\), found one"):
        find_labels(tmp_path, "yolo").table()
    assert time.monotonic() - began < SECONDS
    assert read_yaml(b"a: &a [1, 2]\nb: *a\n", "f.yaml")["b"][1].value == 2


@pytest.mark.parametrize(
    "text", ["names: !!python/object/apply:os.system ['touch {mark}']\n", "names: [face]\na: !!python/name:os.system\n"]
)
def test_a_tag_of_python_in_yaml_is_refused(text: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    content = text.format(mark=mark)
    with pytest.raises(ValueError, match="could not determine a constructor"):
        read_yaml(content.encode(), "config.yaml")
    (tmp_path / "data.yaml").write_text(content)
    with pytest.raises(ValueError, match="could not determine a constructor"):
        find_labels(tmp_path, "yolo").table()
    assert not mark.exists()


ENTITIES = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
BOMB_XML = f'<!DOCTYPE a [<!ENTITY l0 "lolololololol">{ENTITIES}]>'
OTHER_FILE = '<!DOCTYPE a [<!ENTITY l9 SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("head", [BOMB_XML, OTHER_FILE], ids=["bomb", "other file"])
@pytest.mark.parametrize("form", ["voc", "cvat"])
def test_entities_of_xml_neither_grow_nor_read_files(form: str, head: str, tmp_path: Path) -> None:
    bodies = {
        "voc": "<annotation><filename>&l9;</filename></annotation>",
        "cvat": '<annotations><image id="0" name="&l9;" width="1" height="1"/></annotations>',
    }
    file = tmp_path / "a.xml"
    file.write_text(f'<?xml version="1.0"?>{head}{bodies[form]}')
    began = time.monotonic()
    with pytest.raises(
        ValueError, match=r"a\.xml:1: expected XML of .*(amplification|undefined entity|external entity)"
    ):
        find_labels(tmp_path if form == "voc" else file, form).table()
    assert time.monotonic() - began < SECONDS


def archive(file: Path, *members: tarfile.TarInfo, content: io.BytesIO | None = None) -> Path:
    with tarfile.open(file, "w:gz", compresslevel=1) as target:
        for member in members:
            target.addfile(member, content or io.BytesIO(b"x" * member.size))
    return file


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def test_links_and_devices_of_an_archive_are_passed_over_and_nothing_is_written(tmp_path: Path) -> None:
    file = archive(
        tmp_path / "p.tar.gz",
        member("e/link.txt", tarfile.SYMTYPE, "/etc/hostname"),
        member("e/hard.txt", tarfile.LNKTYPE, "/etc/hostname"),
        member("e/pipe.txt", tarfile.FIFOTYPE),
        member("e/zero.txt", tarfile.CHRTYPE),
        member("../../e/up.txt"),
        member("/e/absolute.txt"),
    )
    assert text_files(file, []) == {"e/up": b"", "e/absolute": b""}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["p.tar.gz"]


LABELS = {
    "csv": ("labels.csv", "image,x,y,w,h\n../secret.jpg,0,0,9,9\n"),
    "retinaface": ("label.txt", "# ../secret.jpg\n1 1 5 5\n"),
    "wider_text": ("labels.txt", "../secret.jpg\n1\n0 0 9 9\n"),
    "coco_json": ("a.json", '{"images": [{"id": 1, "file_name": "../secret.jpg"}], "annotations": []}'),
}


@pytest.mark.parametrize("missing", ["error", "skip"])
@pytest.mark.parametrize("kind", LABELS)
def test_a_name_in_labels_leads_to_no_file_outside_the_folder(kind: str, missing: str, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(encode_jpeg(drawn_image(0)))
    folder = tmp_path / "set"
    folder.mkdir()
    name, text = LABELS[kind]
    (folder / name).write_text(text)
    with pytest.raises((FileNotFoundError, ValueError), match=r"\.\./secret\.jpg"):
        DATASETS[kind].model_validate({"annotation": name, "missing": missing}).entries(str(folder))


def test_a_name_in_the_folds_of_fddb_leads_to_no_file_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(encode_jpeg(drawn_image(0)))
    folds = tmp_path / "set/FDDB-folds"
    folds.mkdir(parents=True)
    (folds / "FDDB-fold-01.txt").write_text("../../secret\n")
    (folds / "FDDB-fold-01-ellipseList.txt").write_text("../../secret\n1\n5 5 1.5 9 9 1\n")
    with pytest.raises(ValueError, match=r"ellipseList\.txt:1: expected the name of an image below .*\.\./\.\./secret"):
        DATASETS["fddb"]().entries(str(tmp_path / "set"))


@pytest.mark.parametrize("place", ["{outside}", "../list.txt", "/dev/zero"])
def test_a_list_in_data_yaml_is_below_its_folder(place: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("images/a.jpg\n")
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    (folder / "images/a.jpg").write_bytes(encode_jpeg(drawn_image(0)))
    (folder / "data.yaml").write_text(f"names: [face]\ntrain: {place.format(outside=tmp_path / 'list.txt')}\n")
    with pytest.raises(FileNotFoundError, match=r"data\.yaml: expected a folder or list of images below"):
        find_labels(folder, "yolo").table()


def test_a_name_leaves_no_archive_that_is_written() -> None:
    for name in ("../a.jpg", "event/../../a.jpg"):
        with pytest.raises(ValueError, match=r"found \.\./a with a folder above"):
            submission_names([name], ["../a"])


def test_a_name_on_a_page_is_text() -> None:
    name = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    counts = VocCounts(1, 1, np.zeros(1), np.arange(1), np.ones(1, bool))
    page = benchmark_page(Afw.result(counts, BenchmarkOptions(), {"labels": name}), name, [name])
    assert "alert(1)" in page
    assert "<script>alert" not in page and "<img src=x" not in page


def test_a_checkpoint_of_a_training_is_data_alone(tmp_path: Path) -> None:
    """Also where its checksum is right, for who can write into the store can write that too."""
    mark, sink = tmp_path / "mark", io.BytesIO()
    torch.save({"step": Evil(mark)}, sink)
    store = Store(str(tmp_path / "store"))
    checkpoints = Checkpoints(store, "training")
    checkpoints.save(1, {"step": 1})
    checkpoints.wait()
    (file,) = (tmp_path / "store").rglob("step-*.pt")
    file.write_bytes(hashlib.blake2b(sink.getvalue(), digest_size=_CHECKSUM_BYTES).digest() + sink.getvalue())
    with pytest.raises(pickle.UnpicklingError, match=re.compile("weights_only", re.IGNORECASE)):
        checkpoints.newest()
    checkpoints.close()
    assert not mark.exists()


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8")))
    there = {name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}  # fmt: skip
    assert len(named) > 15
    assert named <= there, named - there
