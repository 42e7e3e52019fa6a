"""reproduce: a table or figure of a paper by one command, our rows beside the paper's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pipeline.engine.config import Config, load_config
from pipeline.engine.registry import Registry
from pipeline.engine.storage import Store
from stages.cli.outputs import typed_command
from stages.cli.pipeline import Choice, carry_out
from stages.cli.run_options import LimitOption, MachineOption, SetOption
from stages.graph import STAGES
from stages.packaged_configs import CONFIGS

if TYPE_CHECKING:
    from pipeline.evaluation.paper_items import PaperItem
    from stages.cli.finished_run import PaperResult

CPU: Final = "cpu2"  # the machine in configs/bases/machines.yaml that has no GPU
TINY: Final = "Run on drawn faces with networks that have learnt nothing: its figures mean nothing."


def reproduce(
    item: Annotated[str | None, typer.Argument(help="Name of a table or figure, e.g. mogface-table-3.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Print every table and figure, and start nothing.")] = False,
    set_: SetOption = None,
    store: Annotated[str | None, typer.Option(help="Where outputs are; default that of the config.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="WIDER FACE, for every dataset of the config that needs a folder.")
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE, names as --list has them; FILE alone where there is one.")
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE, predictions of others as one more row and curve; of tables of AP."),
    ] = None,
    limit: LimitOption = None,
    machine: MachineOption = None,
    local: Annotated[bool, typer.Option("--local", help="In this process, without Ray: same bytes, to debug.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Let Ray's own log lines through.")] = False,
    tiny: Annotated[
        bool,
        typer.Option("--tiny", help="On drawn faces in seconds, to see what is printed: no figure means anything."),
    ] = False,
) -> None:
    """Compute a table or figure of MogFace or CRFace: our rows beside the paper's, as Markdown, LaTeX and a page.

    What is stored already is not computed again: the config behind it is run as by `wider8k run`.

    Example: wider8k reproduce mogface-table-2 --tiny --local
    """
    from pipeline.evaluation.paper_items import read_items
    from stages.cli.outside_predictions import named_files
    from stages.cli.paper_results import stated_rows

    items = read_items(CONFIGS / "papers")
    if list_:
        print("\n\n".join(listed(items)))
        return
    if item is None:
        raise ValueError("expected the name of a table or figure; `wider8k reproduce --list` has all of them")
    chosen = items.find(item)
    if beside and chosen.kind != "ap":
        raise ValueError(f"--beside: expected with a table of AP, found {item}, which prints {chosen.prints}")
    others = named_files(beside or [])
    config = CONFIGS / chosen.config
    loaded = load_config(config, STAGES)
    if unknown := list(stated_rows(chosen, loaded.graph)):
        raise ValueError(f"{item}: {chosen.node} of {chosen.config} has no row {', '.join(unknown)}")
    if tiny and (images or weights):
        raise ValueError("--tiny draws its images and makes its weights: leave out --images and --weights")
    sets = [f"store={store}"] if store else [f"store=runs/tiny/{loaded.name}"] if tiny else []
    sets += _tiny(loaded, Store(sets[0].partition("=")[2])) if tiny else []
    sets += _files(item, chosen, loaded, images, weights or [])
    typed = typed_command()
    choice = Choice(config, [*sets, *(set_ or [])], limit, machine or (CPU if tiny else None), until=chosen.node)
    carry_out(choice, typed, local, verbose, tables=False)
    _publish(item, chosen, choice, Publication(typed, TINY if tiny else "", others))


@dataclass(frozen=True, slots=True)
class Publication:
    """What is said beside the figures: the command as typed, a warning, "" for none, and name -> file of `--beside`."""

    command: str
    warning: str
    beside: Mapping[str, Path] = field(default_factory=dict)


def listed(items: Registry[PaperItem]) -> Iterator[str]:
    """Yields one block of lines per table and figure, and a last one that counts them."""
    from pipeline.evaluation.paper_items import STATES, counted_costs

    costs = counted_costs((CONFIGS / "COSTS.md").read_text(encoding="utf-8"))
    for name, item in items.items():
        lines = [f"{name}: {item.state}", f"shows    {item.shows}", f"prints   {item.prints}"]
        lines += [f"needs    {', '.join(item.needs) or 'nothing'}", f"costs    {cost_of(item, costs)}"]
        lines.append(f"runs     configs/{item.config}, node {item.node}")
        lines.append(f"command  {_typed(name, item)}")
        if item.lacks:
            lines += [f"lacks    {item.lacks}", f"then     {item.then}"]
        yield "\n  ".join(lines)
    states = [item.state for item in items.values()]
    counts = [f"{states.count(state):>4} {state + ':':<9} {meaning}" for state, meaning in STATES.items()]
    yield "\n".join([f"{len(items)} in all", *counts])


def _typed(name: str, item: PaperItem) -> str:
    """Returns the command that prints a table or figure, with all that it needs from outside."""
    folder = "WIDER/WIDER_test/images" if item.kind == "submission" else "WIDER"
    images = [f"--images {folder}"] if any("WIDER" in each for each in item.needs) else []
    return " ".join(["wider8k reproduce", name, *images, *(f"--weights {each}=FILE" for each in item.files)])


def cost_of(item: PaperItem, counted: dict[str, str]) -> str:
    """Returns what a table or figure costs in words: its own, else what was counted for its config.

    Args:
        item: the table or figure.
        counted: config -> GPU-hours, as `counted_costs` returns them.
    """
    if item.cost:
        return item.cost
    hours = counted.get(Path(item.config).stem)
    return f"{hours} GPU-hours, counted for the whole config (configs/COSTS.md)" if hours else "not counted"


def _tiny(loaded: Config, store: Store) -> list[str]:
    """Returns the overrides of a tiny run, after its files were written into the store."""
    from stages.cli.tiny import tiny_sets, write_tiny_files

    if not store.local:
        raise ValueError(f"--tiny: expected a folder as its store, found {store.url}")
    folder = Path(store.url) / "files"
    write_tiny_files(loaded, folder)
    return tiny_sets(loaded, folder)


def _files(name: str, item: PaperItem, loaded: Config, images: Path | None, weights: Sequence[str]) -> list[str]:
    """Returns the overrides for the folder of the images, and for files of weights or predictions."""
    sets = []
    if images is not None:
        roots = [node for node, each in loaded.graph.nodes.items() if each.stage.name == "index"]
        sets += [f"{node}.dataset={json.dumps(fields)}" for node, fields in item.datasets.items()]
        sets += [f"{node}.path={images}" for node in roots]
    for given in weights:
        key, equals, file = given.partition("=")
        if not equals and len(item.files) == 1:
            (key,), file = item.files, given
        if key not in item.files:
            known = ", ".join(item.files) or "none"
            raise ValueError(f"--weights {given}: expected NAME=FILE with a name of {name} ({known}), found {key}")
        sets.append(f"{item.files[key]}.path={file}")
    return sets


def _publish(name: str, item: PaperItem, choice: Choice, said: Publication) -> None:
    """Writes Markdown, LaTeX and page into the store, and prints the Markdown and where they are."""
    from pipeline.engine.plan import plan as make_plan
    from pipeline.evaluation.paper_tables import as_latex, as_markdown
    from stages.cli.finished_run import FinishedRun
    from stages.cli.paper_results import KINDS

    loaded, store, options = choice.read()
    run = FinishedRun(loaded.graph, make_plan(loaded.graph, store, options), said.beside)
    result = KINDS[item.kind](item, run, item.node)
    remarks = [each for each in (said.warning, f"Missing: {item.lacks}." if item.lacks else "") if each]
    texts = "\n".join(as_markdown(table) for table in result.tables)
    markdown = "\n\n".join([f"# {name}", *remarks, texts, f"    {said.command}"]) + "\n"
    latex = "\n".join([*(f"% {each}" for each in (said.command, *remarks)), *map(as_latex, result.tables)])
    contents = {"md": markdown, "tex": latex, "html": _page(name, item, result, remarks, said.command)}
    print(f"\n{markdown}")
    files = {ending: content.encode() for ending, content in contents.items()}
    for ending, content in {**files, **result.files}.items():
        store.write(f"{name}.{ending}", content)
        print(f"{name}: {store.path(f'{name}.{ending}')}")


def _page(name: str, item: PaperItem, result: PaperResult, remarks: Sequence[str], command: str) -> str:
    from pipeline.evaluation.page import PageData, render_page

    return render_page(
        PageData(
            title=f"{name}: {item.shows}",
            summary=" ".join(remarks),
            runs=result.runs,
            statistics=result.statistics,
            figures=result.figures,
            gallery=result.gallery,
            gallery_note="The images of the table, once for each of its columns.",
            tables=result.tables,
            commands=[command],
        )
    )
