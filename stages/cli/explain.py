"""explain: how a node's fingerprint differs from what is stored."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.engine.fingerprint import difference
from pipeline.engine.manifest import stored_manifests
from pipeline.engine.plan import NodePlan, differences
from pipeline.engine.plan import plan as make_plan
from pipeline.engine.redaction import redact
from pipeline.engine.storage import Store
from stages.cli.pipeline import Choice
from stages.cli.run_options import ConfigOption, LimitOption, SetOption


def explain(
    node: Annotated[str, typer.Argument(help="Name of a node.")],
    config: ConfigOption,
    set_: SetOption = None,
    limit: LimitOption = None,
) -> None:
    """Print, field by field, how a node's fingerprint differs from the most similar output that is stored.

    Example: wider8k explain boxes -c configs/smoke.yaml --set boxes.max_candidates=1000
    """
    loaded, store, options = Choice(config, set_, limit).read()
    loaded.graph.nodes.find(node)
    plans = make_plan(loaded.graph, store, options)
    known = plans[node]
    print(f"{node}: {known.decision}, {known.reason}")
    changes = differences(known, store)
    if changes is None:
        print(
            "  nothing is stored of this node"
            if known.fingerprint_fields
            else "  its fingerprint depends on what blocks it"
        )
        return
    for field, old, new in changes:
        print(redact(f"  {field}: stored {old} -> wanted {new}"))
        _explain_input(field, str(old), plans, store)
    if not changes:
        print(f"  identical to what is stored: {known.fingerprint}")


def _explain_input(field: str, old: str, plans: dict[str, NodePlan], store: Store) -> None:
    """Prints what changed inside an input, one level up, so that a hash is not all one sees."""
    if not field.startswith(("inputs.", "lineage.")):
        return
    for name, each in plans.items():
        for manifest in stored_manifests(store, name):
            if manifest.content_hash in old and each.fingerprint_fields and manifest.fingerprint != each.fingerprint:
                for inner, was, now in difference(manifest.fingerprint_fields, each.fingerprint_fields):
                    print(redact(f"    {name}.{inner}: stored {was} -> wanted {now}"))
