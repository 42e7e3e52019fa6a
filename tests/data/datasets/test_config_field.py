import pytest
import yaml
from pydantic import BaseModel, ValidationError

from pipeline.data.datasets import DATASETS, ImageFolder, Synthetic, WiderFace
from pipeline.data.datasets.config_field import DatasetChoice, dataset_fields, parse_dataset
from pipeline.data.datasets.labels.coco_json import CocoJson
from pipeline.engine.literal_yaml import parse_literal


class Owner(BaseModel):
    dataset: DatasetChoice


def test_a_kind_alone_takes_the_defaults() -> None:
    assert parse_dataset("wider_face") == WiderFace()
    assert parse_dataset({"kind": "image_folder"}) == ImageFolder()


def test_parameters_are_the_datasets_own() -> None:
    assert parse_dataset({"kind": "synthetic", "images": 3, "split": "train"}) == Synthetic(images=3, split="train")
    fields = {"kind": "coco_json", "category": "face"}
    assert parse_dataset(fields) == CocoJson(category="face")
    assert fields == {"kind": "coco_json", "category": "face"}, "the argument was changed"


def test_a_dataset_is_taken_as_it_is() -> None:
    data = Synthetic(images=3)
    assert parse_dataset(data) is data


@pytest.mark.parametrize("kind", sorted(DATASETS))
def test_fields_read_back_as_the_same_dataset(kind: str) -> None:
    data = DATASETS[kind]()
    fields = dataset_fields(data)
    assert fields["kind"] == kind
    kept = {name for name, field in DATASETS[kind].model_fields.items() if not field.exclude}
    assert set(fields) == {"kind", *kept} and parse_dataset(yaml.safe_load(yaml.safe_dump(fields))) == data


def test_as_a_field_it_is_parsed_and_written() -> None:
    owner = Owner.model_validate({"dataset": {"kind": "synthetic", "images": 2}})
    assert owner.dataset == Synthetic(images=2)
    for mode in ("python", "json"):
        dumped = owner.model_dump(mode=mode)
        assert dumped["dataset"]["kind"] == "synthetic" and Owner.model_validate(dumped) == owner


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            "wider_fase",
            "no dataset is called 'wider_fase'",
        ),
        ({"split": "val"}, "expected `kind`, one of .*found only split"),
        (7, "no dataset is called '7'"),
        ({"kind": "synthetic", "photos": 3}, "photos"),
        ({"kind": "synthetic", "images": 0}, "greater than or equal to 1"),
    ],
)
def test_mistakes_name_the_choices(fields: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_dataset(fields)
    with pytest.raises(ValidationError, match=words):
        Owner.model_validate({"dataset": fields})


@pytest.mark.parametrize("typed", ["2024-05-01", "0640", "yes", "null", "list #2", "[a"])
def test_a_text_of_a_dataset_is_what_was_typed(typed: str) -> None:
    fields = {"kind": "wider_face", "only": parse_literal(typed, "--set faces.dataset.only")}
    chosen = parse_dataset(fields)
    assert isinstance(chosen, WiderFace) and chosen.only == typed
    assert parse_dataset(parse_literal("{kind: synthetic, images: 12}", "--set").value).model_dump()["images"] == 12
