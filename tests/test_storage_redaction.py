"""What is left out of a file is nowhere in it, and all that is counted stays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import fakebooks
import pagewalk
from bookmachines import books
from books import Books
from pagewalk.accounts import Accounts, Cgroups
from pagewalk.errors import PagewalkError
from pagewalk.facts import Facts, Gap
from pagewalk.memcg import Cgroup, CgroupTree, Hierarchy
from pagewalk.snapshot import Snapshot
from pagewalk.storage.codec import load_facts, save_facts
from pagewalk.storage.redaction import REDACTIONS, redacted
from samefacts import differences
from smallhost import walked
from test_storage_checking import whole

# What the kernel calls mappings: these stay whatever is left out.
KERNELS = {
    "anon_inode:[io_uring]",
    "[heap]",
    "[stack]",
    "[vdso]",
    "[vvar]",
    "[vsyscall]",
    "/anon_hugepage (deleted)",
    "/dev/zero (deleted)",
}
HALF = settings(max_examples=settings().max_examples // 2)


def secret() -> Facts:
    """Facts in which every name is a secret."""
    facts = whole()
    assert facts.mappings is not None
    assert facts.objects is not None
    assert facts.accounts is not None
    names = [
        "/opt/secret-app/lib.so",
        "/opt/secret app/db file (deleted)",
        "/memfd:secret-ring (deleted)",
        "[anon:secret-arena]",
        "[anon_shmem:secret-shm]",
        "/SYSV5ec2e7ee (deleted)",
        "[heap]",
        "/dev/zero (deleted)",
        "",
        "anon_inode:[io_uring]",
        "secretfs-without-slash",
    ]
    paths = ("/secret.slice", "/secret.slice/pay roll.service", "/secret.slice/gone (deleted)")
    spaces = replace(
        facts.spaces,
        comm=["secret-daemon", "php-secret", "php-secret"],
        cmdline=["/opt/secret-app/run --password=hunter22", "postgres: secretuser /opt/x,y", "ls"],
        cgroup=list(paths),
        names={0: "secretroot", 33: "secretuser"},
    )
    tree = CgroupTree(
        Hierarchy(1, "/mnt/secret-cgroups/memory", "/secret.slice"),
        (Cgroup("/", 1, 0), *(Cgroup(path, 5 + at, 1) for at, path in enumerate(paths[:2]))),
        ((paths[1], "Permission denied"),),
    )
    gaps: tuple[Gap, ...] = (Gap(10, "memory", "[Errno 13] Permission denied: '/proc/10/maps'"),)
    gaps += (
        Gap(None, f"cgroups below {paths[1]}", f"/mnt/secret-cgroups/memory{paths[1]}/memory.stat:3: cannot read"),
    )
    figures: dict[str, dict[str, int | None]] = {path: {"anon": 4096} for path in paths[:2]}
    n = len(facts.mappings)
    return replace(
        facts,
        host={**facts.host, "hostname": "secrethost", "boot_id": "5ec2e7aa-boot", "kernel": "6.1.0-secretcorp-amd64"},
        spaces=spaces,
        gaps=gaps,
        mappings=replace(facts.mappings, name=(names * n)[:n]),
        objects=replace(facts.objects, name=(names[2:] * n)[: len(facts.objects)]),
        accounts=Accounts(
            facts.accounts.meminfo,
            {},
            facts.accounts.zones,
            facts.accounts.free_blocks,
            Cgroups(tree, figures, frozenset(), ((paths[0], "no"),)),
        ),
        memcg_paths={5: paths[0], 6: paths[1], 99: "(inode 99)"},
    )


def texts_of(value: Any) -> Iterator[str]:
    """Every text in some facts, however deep."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for one in fields(value):
            yield from texts_of(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts_of(key)
            yield from texts_of(inner)
    elif isinstance(value, list | tuple | frozenset):
        for inner in value:
            yield from texts_of(inner)


def content(path: Path) -> bytes:
    """All of a file, unpacked."""
    with np.load(path, allow_pickle=False) as opened:
        blobs = [opened[name] for name in opened.files]
    return b"\n".join(blob if isinstance(blob, bytes) else blob.tobytes() for blob in blobs)


def saved(facts: Facts, what: str, folder: Path) -> bytes:
    path = folder / f"{what}.pwz"
    save_facts(str(path), facts, True, what)
    load_facts(str(path))
    return content(path)


def test_of_all_names_none_is_left(tmp_path: Path) -> None:
    left = saved(secret(), "all", tmp_path)
    assert b"secret" not in left.lower()
    assert b"5ec2e7" not in left
    assert b"hunter22" not in left
    assert b"pay roll" not in left


@pytest.mark.parametrize("what", ["paths", "all"])
def test_of_paths_none_is_left(what: str, tmp_path: Path) -> None:
    left = saved(secret(), what, tmp_path)
    for word in (b"secret-app", b"secret app", b"db file", b"secret-ring", b"secret-arena", b"5ec2e7ee", b"pay roll"):
        assert word not in left
    for word in (b"secret.slice", b"secret-cgroups", b"secretfs", b"secret-shm"):
        assert word not in left


@pytest.mark.parametrize("what", ["cmdline", "all"])
def test_of_command_lines_none_is_left(what: str, tmp_path: Path) -> None:
    left = saved(secret(), what, tmp_path)
    assert b"hunter22" not in left
    assert b"postgres:" not in left
    assert (b"secret-daemon" in left) == (what == "cmdline")


@HALF
@given(of=books())
def test_of_any_machine_nothing_is_left(of: Books, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No text of four characters or more that a process, a user or the machine chose."""
    with fakebooks.made(of) as procfs:
        facts = pagewalk.walk(procfs=procfs, frames="all", mappings=True, freed=True).facts
    assert facts.mappings is not None
    chosen = {*facts.spaces.comm, *facts.spaces.cmdline, *facts.spaces.cgroup, *facts.spaces.names.values()}
    chosen |= {*facts.mappings.name, *facts.memcg_paths.values(), str(facts.host["hostname"])}
    kept = set(texts_of(redacted(facts, "all")))
    assert {text for text in chosen & kept if len(text) >= 4 and text not in KERNELS and text[0] != "("} == set()


def test_what_the_kernel_calls_a_mapping_stays() -> None:
    mappings = redacted(secret(), "paths").mappings
    assert mappings is not None
    said = dict(zip(secret().mappings.name, mappings.name, strict=True))  # type: ignore[union-attr]
    for name in ("[heap]", "/dev/zero (deleted)", "", "anon_inode:[io_uring]"):
        assert said[name] == name
    forms = {
        "/opt/secret-app/lib.so": r"/file-[0-9a-f]{12}",
        "/opt/secret app/db file (deleted)": r"/file-[0-9a-f]{12} \(deleted\)",
        "/memfd:secret-ring (deleted)": r"/memfd:[0-9a-f]{12} \(deleted\)",
        "[anon:secret-arena]": r"\[anon:[0-9a-f]{12}\]",
        "/SYSV5ec2e7ee (deleted)": r"/SYSV[0-9a-f]{12} \(deleted\)",
    }
    for name, form in forms.items():
        assert re.fullmatch(form, said[name]), said[name]


def test_the_same_name_has_the_same_token_and_another_in_another_file() -> None:
    once, again = redacted(secret(), "all"), redacted(secret(), "all")
    assert once.spaces.comm[1] == once.spaces.comm[2] != once.spaces.comm[0]
    assert once.mappings is not None
    assert once.objects is not None
    names = dict(zip(secret().mappings.name, once.mappings.name, strict=True))  # type: ignore[union-attr]
    for name, token in zip(secret().objects.name, once.objects.name, strict=True):  # type: ignore[union-attr]
        assert names.get(name, token) == token
    assert once.spaces.comm[0] != again.spaces.comm[0]


def test_cgroups_keep_their_tree() -> None:
    facts = redacted(secret(), "paths")
    assert facts.accounts is not None
    assert facts.accounts.cgroups is not None
    tree = facts.accounts.cgroups.tree
    root, top, inner = (cgroup.path for cgroup in tree.cgroups)
    assert root == "/"
    assert inner.rpartition("/")[0] == top
    assert facts.spaces.cgroup[:2] == [top, inner]
    assert facts.spaces.cgroup[2].endswith(" (deleted)")
    assert list(facts.accounts.cgroups.figures) == [top, inner]
    assert [facts.memcg_paths[inode] for inode in (5, 6)] == [top, inner]
    assert inner in facts.gaps[1].what
    assert facts.gaps[0] == secret().gaps[0]


@pytest.mark.parametrize("what", REDACTIONS)
def test_figures_stay(what: str) -> None:
    snap = walked(mappings=True, freed=True)
    kept = Snapshot(redacted(snap.facts, what))
    for one, other in ((snap.processes(), kept.processes()), (snap.mappings(), kept.mappings())):
        figures = [name for name in one.names if one.column(name).unit not in ("text", "list")]
        assert list(differences(one.select(figures), other.select(figures))) == []
    assert list(differences(snap.coverage(), kept.coverage())) == []
    assert sorted(snap.sharing()["bytes"]) == sorted(kept.sharing()["bytes"])
    assert kept.host["redacted"] == what


def test_only_command_lines() -> None:
    facts = redacted(secret(), "cmdline")
    assert facts.spaces.cmdline == facts.spaces.comm == secret().spaces.comm
    assert facts.mappings is not None
    assert facts.mappings.name == secret().mappings.name  # type: ignore[union-attr]
    assert list(differences(facts.accounts, secret().accounts)) == []


def test_command_lines_name_no_paths() -> None:
    lines = redacted(secret(), "paths").spaces.cmdline
    assert lines[0].endswith(" --password=hunter22")
    assert lines[1].startswith("postgres: secretuser /file-")
    assert lines[2] == "ls"


def test_the_release_of_the_kernel_stays() -> None:
    host = redacted(secret(), "all").host
    assert (host["hostname"], host["kernel"], host["boot_id"]) == ("redacted", "6.1.0", "")
    odd = replace(secret(), host={**secret().host, "kernel": "secret"})
    assert redacted(odd, "all").host["kernel"] == ""


def test_no_such_redaction() -> None:
    with pytest.raises(PagewalkError, match="'name' is not known"):
        redacted(secret(), "name")
