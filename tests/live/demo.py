"""Make pagewalk/demo.pwz: the snapshot that ``pagewalk demo`` opens.

    python tests/live/demo.py NEW.pwz

Run it as root on a machine of its own with cgroup v2, swap and 1 GiB of RAM or less, such as a virtual one: all of its
RAM is in the snapshot, and so the books close. What is in it by name is what this script made: the workloads of the
live tests, under names of an imaginary host. Whatever else ran keeps its figures and loses its names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cgroups
import pagewalk
from pagewalk.accounts import Accounts
from pagewalk.facts import Facts
from pagewalk.snapshot import Snapshot
from workloads import MADV_HUGEPAGE, MADV_PAGEOUT, MAP_SHARED, PROT_READ, Agent, Region, Stage

MIB = 1 << 20
HOME = Path("/srv")
HOST = "shop1"
WEB, WORKERS, INDEX, ARCHIVE, WEIGHTS = 48 * MIB, 6, 24 * MIB, 12 * MIB, 64 * MIB
USERS = {"web": 33, "infer": 0, "search": 0, "backup": 0, "queue": 0}
NAMES = {0: "root", 33: "www-data"}
# What keeps its name though it is not ours: the C library and its loader, which every Linux machine has.
EVERYWHERE = ("/libc.so", "/ld-linux")
SERVICES = "/services.slice"


class Host:
    """The made services, each in a cgroup of its own."""

    def __init__(self, stage: Stage, agent: Path) -> None:
        self.stage = stage
        self.agent = agent
        self.lines: dict[int, str] = {}
        self.groups: dict[str, Path] = {}

    def start(self, name: str, *arguments: str) -> Agent:
        """A process of a service, in its cgroup."""
        program = HOME / name / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        if not program.exists():
            shutil.copy(self.agent, program)
        made = self.stage.start(program, *arguments)
        self.named(made, name, " ".join((str(program), *arguments)))
        if name in self.groups:
            cgroups.enter(self.groups[name], made.pid)
        return made

    def named(self, agent: Agent, comm: str, line: str) -> None:
        agent.rename(comm.encode())
        self.lines[agent.pid] = line

    def user(self, agent: Agent, name: str) -> None:
        """Give up root, as services do, once all is set up."""
        uid = USERS[name]
        if uid:
            agent.call("setresuid", uid, uid, uid)


def anonymous(agent: Agent, length: int) -> Region:
    region = agent.map(length)
    agent.write(region)
    return region


def web(host: Host) -> None:
    """A server that loads 48 MiB and forks; each worker has written some of it since, and has memory of its own."""
    master = host.start("web", "--workers", str(WORKERS))
    heap = anonymous(master, WEB)
    for number in range(WORKERS):
        worker = master.fork()
        host.named(worker, "web-worker", f"web: worker {number}")
        worker.write(heap.part(256 * number, 128 * (number + 1)))
        anonymous(worker, (1 + number % 3) * MIB)
        host.user(worker, "web")


def infer(host: Host) -> None:
    """Three workers that map one file of weights, each with 4 MiB of huge pages to compute in."""
    weights = file_of("infer", "weights.bin", WEIGHTS)
    for number in range(3):
        worker = host.start("infer", "--device", str(number))
        mapped = worker.map(WEIGHTS, PROT_READ, MAP_SHARED, worker.open(weights, os.O_RDONLY))
        worker.read(mapped)
        scratch = worker.map(6 * MIB)
        worker.call("madvise", scratch.start, scratch.length, MADV_HUGEPAGE)
        worker.write(scratch)


def search_and_backup(host: Host) -> None:
    """The backup has read the index first, and pays for it; the search maps it. With the archive it is reversed."""
    index, archive = file_of("search", "index.db", INDEX), file_of("backup", "archive.tar", ARCHIVE)
    backup = host.start("backup", "--all")
    search = host.start("search", "--index", str(index))
    for first, then, path, length in ((backup, search, index, INDEX), (search, backup, archive, ARCHIVE)):
        seen = first.map(length, PROT_READ, MAP_SHARED, first.open(path, os.O_RDONLY))
        first.read(seen)
        again = then.map(length, PROT_READ, MAP_SHARED, then.open(path, os.O_RDONLY))
        then.read(again)
        if first is backup:
            first.call("munmap", seen.start, seen.length)
    anonymous(search, 10 * MIB)
    old = anonymous(backup, 6 * MIB)
    backup.call("madvise", old.start, old.length, MADV_PAGEOUT)


def queue(host: Host) -> None:
    """A memfd that two processes share: it has no name, and goes when the last of them does."""
    producer = host.start("queue", "--produce")
    fd = producer.memfd(5 * MIB, b"ring")
    producer.write(producer.map(5 * MIB, flags=MAP_SHARED, fd=fd))
    consumer = producer.fork()
    host.named(consumer, "queue", f"{HOME}/queue/bin/queue --consume")
    consumer.write(consumer.map(2 * MIB, flags=MAP_SHARED, fd=fd))


def file_of(service: str, name: str, length: int) -> Path:
    """A file on disk whose pages are in no cache: whoever reads it first is charged for it."""
    path = HOME / service / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        out.writelines(os.urandom(MIB) for _ in range(length // MIB))
        out.flush()
        os.fsync(out.fileno())
        os.posix_fadvise(out.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


@contextmanager
def services(agent: Path) -> Iterator[Host]:
    with cgroups.cgroup(SERVICES[1:]) as top:
        cgroups.hand_on(top)
        made = [cgroups.cgroup(f"{name}.service", top) for name in USERS]
        groups = [group.__enter__() for group in made]
        try:
            with Stage(agent) as stage:
                host = Host(stage, agent)
                host.groups = dict(zip(USERS, groups, strict=True))
                web(host)
                infer(host)
                search_and_backup(host)
                queue(host)
                yield host
        finally:
            for group in reversed(made):
                group.__exit__(None, None, None)


def imagined(facts: Facts, lines: dict[int, str]) -> Facts:
    """Return the facts with the names of the imaginary host, and none of the machine that they were taken on."""
    spaces, mappings, objects = facts.spaces, facts.mappings, facts.objects
    assert mappings is not None
    assert objects is not None
    ours = [pids[0] in lines for pids in spaces.pids]
    spaces = replace(
        spaces,
        comm=[comm if is_ours else "system" for comm, is_ours in zip(spaces.comm, ours, strict=True)],
        cmdline=[lines.get(pids[0], "") for pids in spaces.pids],
        cgroup=[renamed(path) for path in spaces.cgroup],
        names={uid: NAMES[uid] for uid in set(spaces.uid.tolist()) & NAMES.keys()},
    )
    host = {**facts.host, "hostname": HOST, "boot_id": "00000000-0000-4000-8000-000000000000"}
    host["kernel"] = str(host["kernel"]).partition("-")[0]
    return replace(
        facts,
        host=host,
        spaces=spaces,
        mappings=replace(mappings, name=[kept(name) for name in mappings.name]),
        objects=replace(objects, name=[kept(name) for name in objects.name]),
        memcg_paths={inode: renamed(path) for inode, path in facts.memcg_paths.items()},
        accounts=None if facts.accounts is None else with_groups_renamed(facts.accounts),
        gaps=(),
    )


def with_groups_renamed(accounts: Accounts) -> Accounts:
    cgroups = accounts.cgroups
    assert cgroups is not None
    tree = cgroups.tree
    tree = replace(tree, cgroups=tuple(replace(one, path=renamed(one.path)) for one in tree.cgroups), gaps=())
    figures = {renamed(path): said for path, said in cgroups.figures.items()}
    return replace(accounts, cgroups=replace(cgroups, tree=tree, figures=figures, gaps=()), gaps=())


def renamed(path: str) -> str:
    """Return the path of a cgroup: those of the services as they are, all others under one imagined name."""
    if path == "/" or path == SERVICES or path.startswith(f"{SERVICES}/"):
        return path
    return "/" + "/".join(["system.slice", *(f"part-{len(part)}" for part in path.split("/")[2:])])


def kept(name: str) -> str:
    """Return a name of the kernel's, of a made service or of what is on every machine; nothing of any other."""
    is_known = name.startswith((f"{HOME}/", "[", "/memfd:ring")) or any(part in name for part in EVERYWHERE)
    return name if is_known or not name else "/system"


def main(arguments: Sequence[str]) -> int:
    (path,) = arguments
    with TemporaryDirectory() as folder:
        agent = Path(folder) / "agent"
        source = Path(__file__).with_name("agent.c")
        subprocess.run(["gcc", "-O1", "-o", str(agent), str(source)], check=True)
        Path("/proc/sys/vm/drop_caches").write_text("3")
        with services(agent) as host:
            walked = pagewalk.walk(frames="all", mappings=True, nodes=True, freed=True)
            made = Snapshot(imagined(walked.facts, host.lines))
    print(f"{made.save(path, force=True)} bytes: {made!r}")
    os.chmod(path, 0o644)  # everybody may read what is shipped
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
