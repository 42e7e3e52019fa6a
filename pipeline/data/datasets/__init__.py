"""The datasets by name: an explicit table. A new one is a file here and a line in `DATASETS`.

Those with labels of one form come from `labels.forms`, with their readers and writers.
"""

from __future__ import annotations

from pipeline.data.datasets.dataset import Dataset, Entry, Reader
from pipeline.data.datasets.fddb.dataset import Fddb
from pipeline.data.datasets.image_folder import ImageFolder
from pipeline.data.datasets.labels.forms import LABELLED
from pipeline.data.datasets.mosaic.dataset import Mosaic
from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.datasets.wider_face.dataset import WiderFace
from pipeline.engine.registry import Registry

__all__ = [
    "DATASETS",
    "Dataset",
    "Entry",
    "Fddb",
    "ImageFolder",
    "Mosaic",
    "Reader",
    "Synthetic",
    "WiderFace",
]

DATASETS: Registry[type[Dataset]] = Registry(
    "dataset",
    {
        "wider_face": WiderFace,
        "image_folder": ImageFolder,
        "fddb": Fddb,
        **LABELLED,
        "synthetic": Synthetic,
        "mosaic": Mosaic,
    },
)
