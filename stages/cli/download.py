"""download: the public datasets, from where their authors keep them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stages.cli.outputs import require_folder


def download(
    dataset: Annotated[str, typer.Argument(help="widerface")],
    folder: Annotated[Path, typer.Argument(help="Where to put it.")],
    split: Annotated[
        list[str] | None, typer.Option(help="train, val or test; repeatable. Default: train and val.")
    ] = None,
) -> None:
    """Fetch a dataset with its checksums; call it again to go on after a break.

    Example: wider8k download widerface ~/data/WIDER --split val
    """
    from pipeline.data.datasets.wider_face.download import DownloadError, download_wider_face

    if dataset != "widerface":
        raise ValueError(f"no download for {dataset!r}; choices: widerface")
    require_folder("FOLDER", folder)
    try:
        download_wider_face(folder, split or ["train", "val"], print)
    except DownloadError as error:
        raise ValueError(str(error)) from None
