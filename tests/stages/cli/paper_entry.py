"""An entry of `configs/papers` as tests need it."""

from __future__ import annotations

from pipeline.evaluation.paper_items import PaperItem


def paper_entry(kind: str, node: str, **more: object) -> PaperItem:
    fields = {"shows": "It", "prints": "x", "needs": (), "state": "whole", "config": "x.yaml"}
    return PaperItem.model_validate({**fields, "node": node, "kind": kind, **more})
