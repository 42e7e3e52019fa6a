"""Costs as a page: the dump at 8K, every config, every training, one config node by node, and the rates behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from jobs.costing.networks import Network
from jobs.costing.nodes import Cost, candidate_bytes, canvas_passes, network_cost, written
from jobs.costing.pace import operations_of, pace_of
from jobs.costing.rates import DUMP_BYTES, RATES, WIDER_COUNTS, WIDER_SHAPES, Numbers, Work
from jobs.costing.sources import OWN_IMAGES, WIDER_FACE
from pipeline.inference.memory import peak_bytes

HOUR = 3600.0
GIGA, TERA, PETA = 1e9, 1e12, 1e15
DUMPED = ("retinaface_resnet50", "hambox_resnet50", "hrnet_w48")
TOP = 5000
_WAYS: tuple[tuple[str, Numbers, Work], ...] = (
    ("float32", "float32", "image"),
    ("bfloat16", "bfloat16", "image"),
    ("bfloat16, compiled", "bfloat16", "network"),
)
_WIDE, _HIGH = WIDER_SHAPES
_ASSUMED = f"""\
# What the configs cost

Printed by `uv run python jobs/costs.py`, which reads the configs and builds their networks without numbers; a test
compares this file with it. `-c CONFIG --set node.field=value` prints one config node by node.

- *Operations* are counted: two per multiply-add of every convolution and product of matrices
  (`pipeline/models/flops.py`); a training step is three times its forward pass with all heads, frozen layers too.
- *Seconds* are those of one GPU that does nothing else: operations along a line through what was measured (last
  table). "Measured": this network was, in these numbers, at whatever size. "Counted": from the measured one
  whose operations are nearest. No training was measured in float32: it is taken to be slower by what an 8K image is.
  Small networks wait for launches and not for arithmetic, so that counted trainings of MobileNets come out too short.
- *Not in it*: reading and decoding in dumps and re-ranking, what the first batch of each canvas costs (RESULTS.md: 1 s
  for MobileNet) and its padding, Ray's start, what several GPUs lose against one, nodes
  without a network. Configs for a CPU are counted as if they ran on a GPU.
- *Images*: {WIDER_COUNTS["train"]:,} for training, {WIDER_COUNTS["val"]:,} for validation, \
{WIDER_COUNTS["test"]:,} for test. Assumed are
  {_WIDE.share:.0%} of {_WIDE.width} x {_WIDE.height} and {_HIGH.share:.0%} of {_HIGH.width} x {_HIGH.height}, \
the means of wide and high ones among the 495 of validation at
  hand. Lists given with `--set` are not read; a folder of one's own is counted as {OWN_IMAGES:,} such images.
- *Store*: a candidate is {candidate_bytes(True)} bytes with landmarks and {candidate_bytes(False)} without, \
{DUMP_BYTES[True]} and {DUMP_BYTES[False]} as stored in a shard (measured
  on one detector), {TOP:,} of an image; labelled candidates, overlaps uncompressed; checkpoints as row and file.
  What suppression and fusion leave, lists and pages are not counted.
- *Pixels*: three bytes each of enlarged images, which never leave their worker."""


def whole_page(configs: Mapping[str, Sequence[Cost]]) -> str:
    """Returns the page of all configs, by name, and of `full` node by node."""
    parts = [
        [_ASSUMED],
        [f"## The dump: {WIDER_FACE.count:,} images at 8K, three detectors", "", *dump_table(), "", *_dump_words()],
        ["## Every config", "", *config_table(configs)],
        ["## Every training", "", "Steps x batch x side, GPU-hours of one training.", "", *training_table(configs)],
        ["## full.yaml, node by node", "", *node_table(configs["full"])],
        ["## Rates", "", "Of one image; a training's operations are those of forward and back.", "", *rate_table()],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def dump_table() -> list[str]:
    """Returns the 8K dump of all three parts of WIDER FACE, each detector in every way, and the sum of each way."""
    rows, sums = list[list[str]](), dict[str, list[Cost]]()
    for name in DUMPED:
        network, passes = Network(name), canvas_passes(WIDER_FACE, "8k")
        for way, numbers, work in _WAYS:
            found = network_cost(WIDER_FACE, network, numbers, passes, work)
            found = written(found, WIDER_FACE.count * TOP, network.landmarks)
            sums.setdefault(way, []).append(found)
            memory = pace_of(network, work, numbers).memory_mb(max(width * height for _, width, height in passes))
            rows.append([f"`{name}`", way, *_dump_cells(found), "" if memory is None else shown(memory)])
    for way, costs in sums.items():
        rows.append(["all three", way, *_dump_cells(_sum(costs)), ""])
    head = ["detector", "numbers", ":TFLOP an image", ":ms an image", ":GPU-hours", "", ":GB", ":GB stored"]
    return table([*head, ":MB of the GPU"], rows)


def config_table(configs: Mapping[str, Sequence[Cost]]) -> list[str]:
    """Returns one row per config."""
    head = [
        "config", "as written", ":trainings", ":PFLOP", ":GPU-hours: trainings", ":dumps", ":re-ranking", ":all",
        ":measured, %", ":GB", ":GB stored", ":TB of pixels",
    ]  # fmt: skip
    return table(head, [_config_row(name, costs) for name, costs in configs.items()])


def training_table(configs: Mapping[str, Sequence[Cost]]) -> list[str]:
    """Returns one row per kind of training of each config."""
    rows = []
    for name, costs in configs.items():
        trainings = [each for each in costs if each.kind == "training"]
        alike = groupby(sorted(trainings, key=_of_one_kind), key=_of_one_kind)
        for _, group in alike:
            each = list(group)
            first, count = each[0], len(each)
            nodes = f"`{first.node}`" + (f" and {count - 1} more" if count > 1 else "")
            rows.append([f"`{name}`", nodes, *_node_cells(first), shown(first.stored / 2 / 1e6)])
    return table(["config", "node", *_NODE_HEAD, ":MB of a checkpoint"], rows)


def node_table(costs: Sequence[Cost]) -> list[str]:
    """Returns one row per node that costs something, and their sum."""
    rows = [
        [f"`{each.node}`", each.kind, *_node_cells(each), shown(each.stored / GIGA), shown(each.pixels / TERA)]
        for each in costs
    ]
    total = _sum(costs)
    cells = [shown(total.operations / PETA), "", shown(total.seconds / HOUR), _measured_share(costs)]
    rows.append(["all", "", "", "", *cells, shown(total.stored / GIGA), shown(total.pixels / TERA)])
    return table(["node", "", *_NODE_HEAD, ":GB stored", ":TB of pixels"], rows)


def rate_table() -> list[str]:
    """Returns what was measured, with operations per second."""
    rows = [
        [
            each.work,
            f"`{each.network}`",
            each.numbers,
            f"{each.width} x {each.height}",
            str(each.batch),
            shown(1000 * each.seconds),
            shown(operations_of(each) / each.seconds / TERA),
            "" if each.memory_mb is None else shown(each.memory_mb),
            each.device,
            each.source,
        ]
        for each in RATES
    ]
    head = ["work", "network", "numbers", ":pixels", ":at once", ":ms", ":TFLOP/s", ":MB", "device", "source"]
    return table(head, rows)


_NODE_HEAD = ("network", "work", ":PFLOP", ":TFLOP/s", ":GPU-hours", "")


def _node_cells(cost: Cost) -> list[str]:
    if not cost.operations:
        return ["", cost.amount, "", "", "", ""]
    return [
        f"`{cost.network}`",
        cost.amount,
        shown(cost.operations / PETA),
        shown(cost.operations / cost.seconds / TERA),
        shown(cost.seconds / HOUR),
        basis(cost.measured),
    ]


def _dump_cells(cost: Cost) -> list[str]:
    return [
        shown(cost.operations / WIDER_FACE.count / TERA),
        shown(1000 * cost.seconds / WIDER_FACE.count),
        shown(cost.seconds / HOUR),
        basis(cost.measured),
        shown(cost.raw / GIGA),
        shown(cost.stored / GIGA),
    ]


def _dump_words() -> list[str]:
    sizes = [(width, height) for _, width, height in canvas_passes(WIDER_FACE, "8k")]
    largest = max(sizes, key=lambda size: size[0] * size[1])
    whole = [f"{shown(peak_bytes(Network(name).detector(), *largest) / GIGA)} GB for `{name}`" for name in DUMPED]
    pixels = network_cost(WIDER_FACE, Network(DUMPED[0]), "float32", canvas_passes(WIDER_FACE, "8k")).pixels
    return [
        "From the decoded image to candidates on the host; compiled: the network alone. The enlarged pixels of one",
        f"dump are {shown(pixels / TERA)} TB, of all three {shown(3 * pixels / TERA)} TB; none enters the store.",
        f"Memory of the GPU is that of the largest canvas, {largest[0]} x {largest[1]}. A worker on a CPU takes, by"
        " `pipeline/inference/memory.py`,",
        f"{', '.join(whole)}, in one piece.",
    ]


def _config_row(name: str, costs: Sequence[Cost]) -> list[str]:
    hours = {
        kind: sum(c.seconds for c in costs if c.kind == kind) / HOUR for kind in ("training", "dump", "re-ranking")
    }
    total = _sum(costs)
    networks = [each for each in costs if each.network]
    device = "" if not networks else "GPU" if any(each.on_gpu for each in networks) else "CPU"
    return [
        f"`{name}`",
        device,
        str(sum(each.kind == "training" for each in costs)),
        shown(total.operations / PETA),
        *(shown(hours[kind]) for kind in hours),
        shown(total.seconds / HOUR),
        _measured_share(costs),
        shown(total.raw / GIGA),
        shown(total.stored / GIGA),
        shown(total.pixels / TERA),
    ]


def _measured_share(costs: Sequence[Cost]) -> str:
    """Returns how many per cent of the seconds are those of networks that were measured."""
    seconds = sum(each.seconds for each in costs)
    return f"{100 * sum(each.seconds for each in costs if each.measured) / seconds:.0f}" if seconds else ""


def _sum(costs: Sequence[Cost]) -> Cost:
    """Returns several costs as one; measured where all of them are."""
    names = ("operations", "seconds", "raw", "stored", "pixels")
    totals = {name: float(sum(getattr(each, name) for each in costs)) for name in names}
    return Cost(measured=all(each.measured for each in costs), **totals)


def _of_one_kind(cost: Cost) -> tuple[str, str, float]:
    return cost.network, cost.amount, cost.operations


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a table; names of columns that begin with a colon are of numbers, to the right."""
    marks = ["---:" if name.startswith(":") else "---" for name in head]
    return [_line([name.removeprefix(":") for name in head]), _line(marks), *map(_line, rows)]


def shown(value: float) -> str:
    """Returns a number of any size with about three digits, "0" for nothing at all."""
    if value == 0:
        return "0"
    if value < 0.001:
        return "<0.001"
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.9995 else 3
    return f"{value:,.{digits}f}"


def basis(measured: bool) -> str:
    """Returns whether seconds are those of a network that was measured, or of another one's operations."""
    return "measured" if measured else "counted"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
