"""Nodes wired into a graph: checked when built, ordered, and selected by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from pipeline.engine.registry import Registry, nearest
from pipeline.engine.stage import Resources, Stage


@dataclass(frozen=True)
class Node:
    """A stage with its name, inputs and resources.

    Attributes:
        name: what configs and messages call it.
        stage: the stage with its parameters.
        inputs: port -> names of the nodes wired to it.
        path: where its outside files are; not part of its identity.
        resources: how it is executed; not part of its identity.
        own_share: whether its `max_error_share` is its own and not the config's.
        lineage: node name -> port -> names wired to it, of every node that its stage follows; filled in by `Graph`.
    """

    name: str
    stage: Stage
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    path: str | None = None
    resources: Resources = field(default_factory=Resources)
    own_share: bool = False
    lineage: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of all nodes it reads, each once: its inputs, then what its stage follows them to."""
        wirings = (self.inputs, *self.lineage.values())
        return tuple(dict.fromkeys(name for wiring in wirings for names in wiring.values() for name in names))


class Graph:
    """An acyclic graph of nodes, in an order in which every node follows its inputs."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """Checks the wiring.

        Raises:
            ValueError: listing every unknown, missing or mismatched input at once, or the cycle.
        """
        self.nodes = Registry("node", {node.name: node for node in nodes})
        problems = [problem for node in self.nodes.values() for problem in self._wiring_problems(node)]
        if problems:
            raise ValueError("the graph does not fit together:\n" + "\n".join(f"  - {p}" for p in problems))
        self.order = self._sort()
        found = {name: replace(node, lineage=self._lineage(node)) for name, node in self.nodes.items()}
        self.nodes = Registry("node", found)

    def _wiring_problems(self, node: Node) -> list[str]:
        ports, found = node.stage.inputs, []
        for port in node.inputs.keys() - ports.keys():
            found.append(f"{node.name}.inputs.{port}: no such input{nearest(port, ports)}")
        for port, spec in ports.items():
            where, names = f"{node.name}.inputs.{port}", node.inputs.get(port, ())
            if not names and not spec.optional:
                found.append(f"{where}: missing; name the node that feeds it")
            if len(names) > 1 and not spec.many:
                found.append(f"{where}: takes one node, found {', '.join(names)}")
            for name in names:
                if name not in self.nodes:
                    found.append(f"{where}: no node is called {name!r}{nearest(name, self.nodes)}")
                elif not (output := self.nodes[name].stage.output).equals(spec.schema):
                    expected, given = (", ".join(schema.names[:6]) for schema in (spec.schema, output))
                    found.append(f"{where}: expected rows of ({expected}, ...), {name} gives ({given}, ...)")
        return found

    def _lineage(self, node: Node) -> dict[str, dict[str, tuple[str, ...]]]:
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        ahead = [name for port in node.stage.follows for name in node.inputs.get(port, ())]
        while ahead:
            name = ahead.pop(0)
            if name not in found:
                inputs = self.nodes[name].inputs
                found[name] = {port: inputs[port] for port in node.stage.follows if inputs.get(port)}
                ahead += [source for names in found[name].values() for source in names]
        return found

    def _sort(self) -> tuple[str, ...]:
        sorter = TopologicalSorter({name: node.upstream for name, node in self.nodes.items()})
        try:
            sorter.prepare()
        except CycleError as error:
            raise ValueError(f"these nodes feed each other in a cycle: {' -> '.join(error.args[1])}") from None
        order, place = list[str](), {name: i for i, name in enumerate(self.nodes)}
        while sorter.is_active():
            ready = sorter.get_ready()
            order += sorted(ready, key=place.__getitem__)
            sorter.done(*ready)
        return tuple(order)

    def ancestors(self, name: str) -> set[str]:
        """Returns the names of all nodes that `name` depends on."""
        found: set[str] = set()
        ahead = list(self.nodes[name].upstream)
        while ahead:
            each = ahead.pop()
            if each not in found:
                found.add(each)
                ahead += self.nodes[each].upstream
        return found

    def select(self, only: Sequence[str] = (), start: str | None = None, until: str | None = None) -> tuple[str, ...]:
        """Returns the chosen nodes in order: `only` these, from `start` on, up to `until`; no choice means all.

        Raises:
            ValueError: for a name that is not in the graph, with the nearest one.
        """
        for name in (*only, *(n for n in (start, until) if n)):
            self.nodes.find(name)
        chosen = set(only or self.order)
        if start:
            chosen &= {name for name in self.order if name == start or start in self.ancestors(name)}
        if until:
            chosen &= {until} | self.ancestors(until)
        return tuple(name for name in self.order if name in chosen)
