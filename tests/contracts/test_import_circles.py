"""No module imports itself over others when it is loaded; the circles that deferred imports make are listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.contracts.test_floors import MODULES, imports

# Circles that exist only through an import inside a function or under TYPE_CHECKING, and why each has to.
ALLOWED = {
    (
        "pipeline.data.datasets",
        "pipeline.data.datasets.config_field",
        "pipeline.data.datasets.mosaic.dataset",
    ): "a mosaic takes any dataset of the table as its source, and the table lists the mosaic",
    (
        "pipeline.models.detectors.detector",
        "pipeline.models.detectors.spec",
    ): "a spec builds a detector, a type only, and a detector has its spec",
}


def graph(sources: Mapping[str, tuple[str, bool]], deferred: bool) -> dict[str, set[str]]:
    """Returns what each module imports of the others, with the packages that are loaded on the way.

    Loading p.a from outside p runs p's own file first, and with it all that this imports.

    Args:
        sources: module -> (source, whether it is a package).
        deferred: count imports that are not carried out when a module is loaded.
    """
    found: dict[str, set[str]] = {}
    for module, (source, package) in sources.items():
        targets = (each.target for each in imports(source, module, package) if deferred or not each.deferred)
        near = {each for target in targets if (each := _module(target, sources)) not in (None, module)}
        packages = {each.rpartition(".")[0] for each in near if each}
        foreign = {each for each in packages if each in sources and not f"{module}.".startswith(f"{each}.")}
        found[module] = near | foreign
    return found


def _module(target: str, sources: Mapping[str, tuple[str, bool]]) -> str | None:
    while target and target not in sources:
        target = target.rpartition(".")[0]
    return target or None


def _reachable(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = list(edges[start])
    while todo:
        if (module := todo.pop()) not in seen:
            seen.add(module)
            todo.extend(edges[module])
    return seen


def circles(edges: Mapping[str, set[str]]) -> Iterator[tuple[str, ...]]:
    """Yields each largest set of modules of which every one reaches every other, sorted."""
    reached = {module: _reachable(module, edges) for module in edges}
    yield from sorted(
        {
            tuple(sorted(other for other in there if module in reached[other]))
            for module, there in reached.items()
            if module in there
        }
    )


def _product() -> dict[str, tuple[str, bool]]:
    return {name: (file.read_text(encoding="utf-8"), file.name == "__init__.py") for name, file in MODULES.items()}


def test_no_module_needs_itself_to_be_loaded() -> None:
    assert list(circles(graph(_product(), deferred=False))) == []


def test_circles_of_deferred_imports_are_those_that_have_a_reason() -> None:
    assert list(circles(graph(_product(), deferred=True))) == sorted(ALLOWED)


@pytest.mark.parametrize(
    ("back", "at_once", "in_all"),
    [
        ("import p.a", [("p.a", "p.b", "p.c")], [("p.a", "p.b", "p.c")]),
        ("def f():\n from p.a import g", [], [("p.a", "p.b", "p.c")]),
        ("if TYPE_CHECKING:\n from p import a", [], [("p.a", "p.b", "p.c")]),
        ("import p.d", [], []),
    ],
)
def test_circles_are_found(back: str, at_once: list[tuple[str, ...]], in_all: list[tuple[str, ...]]) -> None:
    texts = {"p.a": "from p.b import x", "p.b": "from p import c", "p.c": back, "p.d": ""}
    sources = {name: (text, False) for name, text in texts.items()}
    assert list(circles(graph(sources, deferred=False))) == at_once
    assert list(circles(graph(sources, deferred=True))) == in_all


def test_a_circle_through_the_file_of_a_package_is_found() -> None:
    """An import of r.f first runs q's file, which imports q.b, which needs the half loaded r.f."""
    texts = {"q": "from q.b import x", "q.a": "", "q.b": "from r.f import y", "r.f": "from q.a import z"}
    sources = {name: (text, name == "q") for name, text in texts.items()}
    assert list(circles(graph(sources, deferred=False))) == [("q", "q.b", "r.f")]
