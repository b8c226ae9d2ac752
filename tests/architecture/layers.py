"""Who may import whom: strictly downward through the ranks, never sideways, no cycle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from architecture.sources import PACKAGE, Module, imports

RANKS: Mapping[str, float] = {
    "__main__": 9,
    "cli": 8,
    "": 8,  # the package itself: public names
    "compared": 7.5,  # two snapshots
    "snapshot": 7,
    "sampling": 7.5,  # takes snapshots of a tree of processes, when that is worth it
    "kernel": 7,  # what snapshot is, for the kernel's own estimate
    "questions": 6.5,  # the methods of the snapshot, by what they are about
    "walker": 6,
    "estimate": 6,  # in the walker's place where the kernel hides frame numbers
    "difference": 6,
    "storage": 6,
    "views": 6,
    "render": 6,
    "export": 6,
    "freeing": 5.5,  # what views of groups and of a selection ask for
    "charging": 5.5,  # facts of cgroups that several views ask for
    "departed": 5.5,  # address spaces that ended meanwhile
    "unseen": 5.5,  # gaps of the machine as a whole
    "facts": 5,
    "tally": 4,
    "groups": 4,
    "accounts": 4,
    "orders": 4.6,
    "pages": 4.5,  # of the same pages as the mappings, one by one
    "folios": 4.6,  # pages by the folio they lie in
    "objects": 4.7,  # pages by the nameless file they are of
    "mappings": 4,  # what tally is for whole address spaces, for single VMAs
    "reading": 4,  # listing, vmas, pagemap and ownership joined: address spaces read in threads, folded in order
    "plan": 4,
    "forecast": 4.5,  # what plan and reading will come to
    "probe": 4,
    "raw": 4,
    "ownership": 3,
    "framefiles": 2.9,
    "frames": 3,
    "pagemap": 3,
    "vmas": 3,
    "memcg": 3,
    "system": 3,
    "labels": 3,
    "uses": 3,
    "diagnosis": 4,
    "held": 3.5,  # reads what vmas names
    "listing": 3,
    "devices": 3.5,  # what the pages of files are, which the VMAs take into account
    "splitting": 3.5,  # one large pagemap in parts, each read as any
    "opening": 3.8,  # an address space: its pagemap and its maps of one moment, and what is told of it beside
    "sparing": 3.5,  # frames that need not be read, as rows like those that were
    "smaps": 3,
    "residence": 3,
    "shares": 3,
    "tree": 3,
    "procfs": 2,
    "openprocess": 1.5,
    "ourselves": 2.5,  # what procfs says of this process
    "phases": 2,
    "threads": 2,
    "sorting": 2,
    "turns": 2,
    "abi": 0,
    "table": 0,
    "vmflags": 0,
    "arrow": -0.2,  # what a table is elsewhere: it knows columns, and the table asks for it
    "notebook": -0.2,
    "columns": -0.4,
    "legible": -0.4,
    "_native": -0.6,  # knows nothing of the package; below the table, which lays out its columns for Arrow
    "errors": -1,  # in the design's bottom row too, but every module raises, the others of that row included
}

# Modules of these may import each other, as long as no cycle arises: each is one component, split into files.
PACKAGES = {
    "_native",
    "cli",
    "difference",
    "export",
    "memcg",
    "procfs",
    "questions",
    "render",
    "storage",
    "system",
    "views",
}

# Narrower than "downward": what a component may know at all. What is made of facts sees no capture; renderers and
# exporters know only tables.
FACTS = {
    "charging",
    "facts",
    "folios",
    "freeing",
    "groups",
    "labels",
    "mappings",
    "objects",
    "orders",
    "ownership",
    "pages",
    "shares",
    "sorting",
    "tally",
    "uses",
}
ANALYSIS = frozenset(FACTS | {"abi", "errors", "table"})
TABLES = frozenset({"errors", "legible", "table"})
ALLOWED: Mapping[str, frozenset[str]] = {
    "views": ANALYSIS,
    "difference": ANALYSIS,
    "storage": ANALYSIS | {"accounts", "memcg", "system"},  # whose plain data is in the facts
    "render": TABLES,
    "export": TABLES,
}

# And who may know a component at all: presentation meets the rest only in the command.
IMPORTED_BY: Mapping[str, frozenset[str]] = {
    "render": frozenset({"cli"}),
    "export": frozenset({"cli"}),
    "cli": frozenset({"__main__"}),
    "walker": frozenset({"snapshot", "kernel"}),
    "estimate": frozenset({"kernel"}),
    "storage": frozenset({"snapshot", "cli"}),
    "difference": frozenset({"compared"}),
    "questions": frozenset({"snapshot"}),
    "views": frozenset({"compared", "questions", "snapshot", "kernel", "cli"}),
}


def component(name: str) -> str:
    """The entry of the rank table a module belongs to: ``views`` for ``pagewalk.views.process``."""
    return name.removeprefix(PACKAGE).lstrip(".").partition(".")[0]


def unranked(modules: Sequence[Module]) -> list[str]:
    """Modules the rank table does not know: a new one needs a place in the design first."""
    return [f"{module.name} has no rank" for module in modules if component(module.name) not in RANKS]


def layering(modules: Sequence[Module]) -> list[str]:
    """Imports that do not go strictly downward, or that reach what a component must not know."""
    findings = []
    for module, target, line in edges(modules):
        here, there = component(module.name), component(target)
        if here == there and here in PACKAGES:
            continue
        where = f"{module.name}:{line} imports {target}"
        if RANKS.get(there, 99) >= RANKS.get(here, -99):
            findings.append(f"{where}, which does not lie below it")
        elif here in ALLOWED and there not in ALLOWED[here]:
            findings.append(f"{where}: {here} may know only {', '.join(sorted(ALLOWED[here]))}")
        elif there in IMPORTED_BY and here not in IMPORTED_BY[there]:
            findings.append(f"{where}: only {', '.join(sorted(IMPORTED_BY[there]))} may know {there}")
    return findings


def edges(modules: Sequence[Module]) -> Iterator[tuple[Module, str, int]]:
    """Every import of one module of the package by another."""
    known = {module.name for module in modules}
    for module in modules:
        for found in imports(module, known):
            # A package that reads its own version, or a module that names its own package, says nothing about layers.
            if found.target != module.name:
                yield module, found.target, found.line


def cycles(modules: Sequence[Module]) -> list[str]:
    """One finding for each import that closes a circle."""
    graph: dict[str, list[str]] = {module.name: [] for module in modules}
    for module, target, _ in edges(modules):
        graph[module.name].append(target)
    findings: list[str] = []
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            findings.append(" -> ".join((*path[path.index(name) :], name)))
            return
        if name in done or name not in graph:
            return
        for target in graph[name]:
            visit(target, (*path, name))
        done.add(name)

    for name in graph:
        visit(name, ())
    return findings
