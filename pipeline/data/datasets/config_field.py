"""A dataset as one field of a config: ``{kind: wider_face, split: val}`` or just ``wider_face``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from pipeline.data.datasets import DATASETS
from pipeline.data.datasets.dataset import Dataset


def parse_dataset(fields: object) -> Dataset:
    """Returns the dataset of a config: a dataset, its kind, or a mapping with `kind` and its parameters.

    Raises ValueError: for an unknown kind (with the choices) or parameter.
    """
    if isinstance(fields, Dataset):
        return fields
    params = dict(fields) if isinstance(fields, Mapping) else {"kind": fields}
    if "kind" not in params:
        raise ValueError(
            f"expected `kind`, one of {', '.join(sorted(DATASETS))}; found only {', '.join(params) or 'nothing'}"
        )
    kind = str(params.pop("kind"))
    return DATASETS.find(kind).model_validate(params)


def dataset_fields(dataset: Dataset) -> dict[str, Any]:
    """Returns the mapping that `parse_dataset` reads back: `kind` and every parameter."""
    kind = next(name for name, each in DATASETS.items() if each is type(dataset))
    return {"kind": kind, **dataset.model_dump()}


DatasetChoice = Annotated[Dataset, BeforeValidator(parse_dataset), PlainSerializer(dataset_fields)]
