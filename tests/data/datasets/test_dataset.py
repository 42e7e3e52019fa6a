"""The interface of datasets: messages with the parameter that helps, and folders that are none."""

from pathlib import Path

import pytest

from pipeline.data.datasets.dataset import below_root, category_names, require_folder, set_option
from pipeline.engine.stage import with_node


def test_a_message_names_the_node_and_how_its_parameter_is_typed() -> None:
    assert with_node(set_option("missing", "skip"), "faces") == "--set faces.dataset.missing=skip"
    assert with_node(set_option("only", "a list.txt"), "faces") == "--set 'faces.dataset.only=a list.txt'"


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    assert require_folder(str(tmp_path)) == tmp_path
    with pytest.raises(ValueError, match="'https://host/faces' is a URL: expected a folder, s3://"):
        require_folder("https://host/faces")
    assert (
        str(require_folder("s3://KEYID:S3cr3t@bucket/faces")) == "s3://bucket/faces"
    )  # of what is in it none is asked
    for name in ("", str(tmp_path / "gone")):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            require_folder(name)


@pytest.mark.parametrize("value", ["/etc", "../up", "a/../../b"])
def test_a_path_stays_below_the_root(value: str) -> None:
    assert below_root("a/b.json") == "a/b.json"
    with pytest.raises(ValueError, match="must be relative to the dataset's root"):
        below_root(value)


def test_names_of_categories_are_texts() -> None:
    assert category_names("[face, 7]") == category_names(["face", 7]) == ("face", "7")
    assert (category_names(7), category_names("face"), category_names(None)) == ("7", "face", None)
