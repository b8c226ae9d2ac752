"""Tables as people read them: names for paths, without what is not there, sums that fit a narrow screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pagewalk.table import Table

__all__ = [
    "cgroups_by_name",
    "changed",
    "charges_by_name",
    "charges_of_nobody",
    "parts_together",
    "uses_of_nodes",
    "uses_there_are",
    "with_sharers",
]

# No path of a cgroup reads like one of these.
NOBODY, ITSELF = "nobody", "itself"
# Columns of uses that say nothing where they are zero all the way down.
STATES = ("mapped_hidden", "dirty", "inactive", "active", "unevictable", "none")
UNMAPPED = ("dirty", "inactive", "active", "unevictable", "none")
RARE_USES = ("shmem", "slab", "pgtable", "hugetlb", "reserved", "zero", "poison", "offline")


def changed(table: Table, more: Mapping[str, tuple[str, str, Any]], without: Collection[str] = ()) -> Table:
    """Return `table` with columns added or put in another's place (unit, meaning, values), and some left out."""
    from pagewalk.table import Column, Table

    names = [name for name in table.names if name not in {*without, *more}]
    columns = [table.column(name) for name in names]
    columns += [Column(name, unit, doc) for name, (unit, doc, _) in more.items()]
    data = {name: table[name] for name in names} | {name: values for name, (_, _, values) in more.items()}
    return Table(columns, data, {name: table.unknown(name) for name in names})


def without_zeros(table: Table, names: Collection[str]) -> Table:
    """Return `table` without those of these columns that are zero all the way down."""
    return changed(table, {}, [name for name in names if name in table and not table[name].any()])


def with_sharers(table: Table) -> Table:
    """Return the sharing table with the number of owners, which a list that is cut off does not show."""
    import numpy as np

    sharers = np.fromiter((len(owners) for owners in table["owners"]), np.int64, len(table))
    # No unit that is added up: most owners are in many sets.
    return changed(table, {"sharers": ("id", "number of owners", sharers)})


def uses_there_are(table: Table) -> Table:
    """Return the uses that RAM is put to, and what is unmapped in one column: with the mapped ones it adds up."""
    import numpy as np

    there = (table["bytes"] > 0) | ((table["kernel_bytes"] > 0) & ~table.unknown("kernel_bytes"))
    table = table.where(there)
    unmapped = sum((table[state] for state in UNMAPPED), np.zeros(len(table), np.int64))
    return without_zeros(changed(table, {"unmapped": ("bytes", "mapped by nobody", unmapped)}), STATES)


def uses_of_nodes(table: Table) -> Table:
    """Return the table of nodes without uses that no node has."""
    return without_zeros(table, RARE_USES)


def parts_together(table: Table) -> Table:
    """Return the balance with what a part is of said once, the whole of RAM first."""
    from pagewalk.table import Table, objects

    rows = sorted(table, key=lambda row: bool(row["of"] != "System RAM"))
    before = ""
    for row in rows:
        row["of"], before = "" if row["of"] == before else row["of"], row["of"]
    return Table(table.columns, {name: objects([row[name] for row in rows]) for name in table.names})


def names_of(paths: Collection[str]) -> dict[str, str]:
    """Return what people call each cgroup; its path where two have one name."""
    from pagewalk.labels import label

    names = {path: label(path) for path in paths}
    times = Counter(names.values())
    return {path: name if times[name] == 1 else path for path, name in names.items()}


def cgroups_by_name(table: Table) -> Table:
    """Return the table of cgroups with names that tell them apart, and no paths where these are the names."""
    from pagewalk.table import objects

    paths = table["path"].tolist()
    names = names_of(paths)
    called = objects([names[path] for path in paths])
    more = {"name": ("text", table.column("name").doc, called)}
    return changed(table, more, ("path",) if called.tolist() == paths else ())


def charges_by_name(table: Table) -> Table:
    """Return the charges under the names of cgroups, with a word where only others use what one is charged for."""
    from pagewalk.table import objects

    payers, users = table["charged_to"].tolist(), table["used_by"].tolist()
    names = names_of({*payers, *(path for some in users for path in some)})
    foreign = ["foreign" if one else "" for one in table["foreign"].tolist()]
    said = {
        "charged_to": [names[path] for path in payers],
        "used_by": [
            ITSELF if some == (payer,) else together([names[path] for path in some])
            for payer, some in zip(payers, users, strict=True)
        ],
        **({"foreign": foreign} if any(foreign) else {}),
    }
    more = {name: ("text", table.column(name).doc, objects(words)) for name, words in said.items()}
    return without_zeros(changed(table, more, ("foreign",)), ("hidden",))


def together(names: Sequence[str]) -> str:
    """Return names for a column whose end says most: how many there are stands last."""
    text = ", ".join(names) or NOBODY
    return text if len(names) < 2 else f"{text} ({len(names)} cgroups)"


def charges_of_nobody(table: Table) -> Table:
    """Return the charges with a word where nobody seen uses what is charged."""
    from pagewalk.table import objects

    users = objects([some or (NOBODY,) for some in table["used_by"].tolist()])
    return changed(table, {"used_by": ("list", table.column("used_by").doc, users)})
