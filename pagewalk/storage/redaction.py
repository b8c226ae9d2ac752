"""Facts without what names whose machine it is: command lines, paths, or every name.

A name is replaced by a token, the same name by the same token everywhere in one snapshot, so that all that is grouped
or compared by names still is. The token is a hash with a random salt that is kept nowhere: nobody can try names.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pagewalk.accounts import Accounts, Cgroups
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts, Gap

__all__ = ["REDACTIONS", "redacted"]

REDACTIONS: Mapping[str, str] = {
    "cmdline": "command lines: the program's name stands in their place",
    "paths": "names of files and of cgroups, those in command lines too",
    "all": "both, and names of programs, users, the host and the kernel's build",
}

DELETED = " (deleted)"
# What the kernel itself calls a mapping (fs/proc/task_mmu.c:get_vma_name, arch_vma_name, and files of its own).
KERNELS = re.compile(
    r"|\[(heap|stack|vdso|vvar|vvar_vclock|vsyscall|uprobes|sigpage|vectors)\]"
    r"|/dev/zero|/anon_hugepage|/\[aio\]|anon_inode:\[?[a-z_-]+\]?|(socket|pipe):\[[0-9]+\]"
)
# Names of the kernel's around one that a program chose: prctl(PR_SET_VMA_ANON_NAME), memfd_create, a System V key.
CHOSEN = re.compile(r"(?P<before>\[anon(?:_shmem)?:|/memfd:|/SYSV)(?P<name>.*?)(?P<after>\]?)", re.DOTALL)
# A path within a sentence. Those of the kernel's own files say nothing but a number.
PATH = re.compile(r"(?P<proc>/proc(?:/[0-9]+)?/[a-z_]+)(?![^\s'\":])|/[^\s'\"]+")
RELEASE = re.compile(r"[0-9]+(\.[0-9]+)*")

_Name = Callable[[str], str]


def redacted(facts: Facts, what: str) -> Facts:
    """Return the facts without some of their names.

    Parameters
    ----------
    facts : Facts
        Of a walk.
    what : str
        One of REDACTIONS.

    Returns
    -------
    Facts
        With the same figures. ``host`` says what was left out, as ``redacted``.

    Raises
    ------
    PagewalkError
        There is no such redaction.
    """
    if what not in REDACTIONS:
        raise PagewalkError(f"redact={what!r} is not known; there are {', '.join(map(repr, REDACTIONS))}")
    token = _tokens()
    facts = replace(facts, host={**facts.host, "redacted": what})
    if what == "all":
        facts = _without_names(facts, token)
    if what != "paths":
        facts = replace(facts, spaces=replace(facts.spaces, cmdline=list(facts.spaces.comm)))
    return facts if what == "cmdline" else _without_paths(facts, token)


def _tokens() -> _Name:
    salt, known = os.urandom(32), dict[str, str]()

    def token(name: str) -> str:
        if name not in known:
            text = name.encode("utf-8", "surrogatepass")
            known[name] = hashlib.blake2b(text, key=salt, digest_size=6).hexdigest()
        return known[name]

    return token


def _without_names(facts: Facts, token: _Name) -> Facts:
    """Take away what programs, users, the machine and its kernel are called."""
    host: dict[str, Any] = {**facts.host, "hostname": "redacted", "boot_id": ""}
    if isinstance(kernel := host.get("kernel"), str):
        found = RELEASE.match(kernel)
        host["kernel"] = found[0] if found else ""
    comm = [f"program-{token(comm)}" if comm else "" for comm in facts.spaces.comm]
    return replace(facts, host=host, spaces=replace(facts.spaces, comm=comm, names={}))


def _without_paths(facts: Facts, token: _Name) -> Facts:
    """Take away what files and cgroups are called."""
    file, cgroup = _file_names(token), _cgroup_names(token)
    sentence = _sentences(_cgroups_of(facts), file, cgroup)
    mappings, objects, accounts, places = facts.mappings, facts.objects, facts.accounts, facts.places
    return replace(
        facts,
        spaces=replace(
            facts.spaces,
            cgroup=[cgroup(path) for path in facts.spaces.cgroup],
            cmdline=[_paths_replaced(line, file) for line in facts.spaces.cmdline],
        ),
        gaps=tuple(Gap(gap.pid, sentence(gap.what), sentence(gap.reason)) for gap in facts.gaps),
        mappings=None if mappings is None else replace(mappings, name=[file(name) for name in mappings.name]),
        objects=None if objects is None else replace(objects, name=[file(name) for name in objects.name]),
        places=None if places is None else replace(places, gaps=_said(places.gaps, sentence)),
        accounts=None if accounts is None else _accounts(accounts, cgroup, sentence),
        memcg_paths={inode: cgroup(path) for inode, path in facts.memcg_paths.items()},
    )


def _said(gaps: Sequence[tuple[str, str]], sentence: _Name, name: _Name | None = None) -> tuple[tuple[str, str], ...]:
    return tuple(((name or sentence)(what), sentence(reason)) for what, reason in gaps)


def _accounts(accounts: Accounts, cgroup: _Name, sentence: _Name) -> Accounts:
    cgroups = accounts.cgroups
    kept = None if cgroups is None else _cgroup_accounts(cgroups, cgroup, sentence)
    return replace(accounts, cgroups=kept, gaps=_said(accounts.gaps, sentence))


def _cgroup_accounts(cgroups: Cgroups, cgroup: _Name, sentence: _Name) -> Cgroups:
    tree = cgroups.tree
    # Where cgroups are mounted is of no use elsewhere, and may say a name.
    hierarchy = replace(tree.hierarchy, directory="", root=cgroup(tree.hierarchy.root))
    return replace(
        cgroups,
        tree=replace(
            tree,
            hierarchy=hierarchy,
            cgroups=tuple(replace(one, path=cgroup(one.path)) for one in tree.cgroups),
            gaps=_said(tree.gaps, sentence, cgroup),
        ),
        figures={cgroup(path): figures for path, figures in cgroups.figures.items()},
        gaps=_said(cgroups.gaps, sentence, cgroup),
    )


def _cgroups_of(facts: Facts) -> set[str]:
    """Return every path of a cgroup that the facts know."""
    known = {*facts.spaces.cgroup, *facts.memcg_paths.values()}
    if facts.accounts is not None and (cgroups := facts.accounts.cgroups) is not None:
        known |= {one.path for one in cgroups.tree.cgroups} | set(cgroups.figures)
        known |= {path for path, _ in (*cgroups.tree.gaps, *cgroups.gaps)}
    return {path for path in known if len(path) > 1}


def _file_names(token: _Name) -> _Name:
    def file(name: str) -> str:
        base = name.removesuffix(DELETED)
        deleted = name[len(base) :]
        if KERNELS.fullmatch(base):
            return name
        if chosen := CHOSEN.fullmatch(base):
            return f"{chosen['before']}{token(chosen['name'])}{chosen['after']}{deleted}"
        return f"/file-{token(base)}{deleted}"

    return file


def _cgroup_names(token: _Name) -> _Name:
    def part(name: str) -> str:
        return name if name in ("", ".", "..") else f"cgroup-{token(name)}"

    def cgroup(path: str) -> str:
        base = path.removesuffix(DELETED)
        return "/".join(map(part, base.split("/"))) + path[len(base) :]

    return cgroup


def _paths_replaced(text: str, file: _Name) -> str:
    return PATH.sub(lambda found: found["proc"] or file(found[0]), text)


def _sentences(cgroups: set[str], file: _Name, cgroup: _Name) -> _Name:
    known = sorted(cgroups, key=len, reverse=True)

    def sentence(text: str) -> str:
        if "/" not in text:
            return text
        for path in known:
            text = text.replace(path, f"\0{known.index(path)}\0") if path in text else text
        text = _paths_replaced(text, file)
        return re.sub(r"\0(\d+)\0", lambda found: cgroup(known[int(found[1])]), text)

    return sentence
