"""What people call a cgroup: the systemd unit, container or pod that its path names."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["label"]

ID = "(?P<id>[0-9a-f]{12,64})"
SHORT = 12

# A directory of a container: as its runtime names the scope under systemd, and the directory under cgroupfs.
RUNTIMES = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
    "crio-conmon": "cri-o-conmon",
    "libpod-conmon": "podman-conmon",
}
CONTAINER = re.compile(rf"(?:.*:)?(?P<runtime>{'|'.join(RUNTIMES)})[-:]{ID}(?:\.scope)?")
BARE = re.compile(r"(?P<id>[0-9a-f]{64})")
# Directories that cgroupfs drivers put containers into, by their bare ID.
PARENTS = {"docker": "docker", "libpod_parent": "podman", "default": "containerd", "k8s.io": "containerd"}
PODMAN_POD = re.compile(r"machine-libpod_pod_(?P<id>[0-9a-f]{12,64})\.slice")
# kubelet: pod<UID> below kubepods, dashes of the UID as underscores in a slice; a static pod's UID has no dashes.
POD = re.compile(r"(?:(?:\w+-)*kubepods(?:-\w+)?-)?pod(?P<uid>[0-9a-f]{8}(?:[0-9a-f_-]{24,28}))(?:\.slice)?(?::.*)?")
KUBEPODS = re.compile(r"(?:\w+-)*kubepods(?:\.slice)?")
LXC = re.compile(r"lxc(?P<part>\.payload|\.monitor)?(?:\.(?P<name>.+))?")
UNIT = re.compile(r".+\.(?:service|scope|slice|socket|mount|swap)")
USER_MANAGER = re.compile(r"user@\d+\.service")


def label(path: str) -> str:
    """Return the name that people know a cgroup by.

    Parameters
    ----------
    path : str
        The path of the cgroup in its hierarchy, from ``/``.

    Returns
    -------
    str
        A systemd unit (``nginx.service``; with its manager where that is a user's), a container by its runtime and the
        first 12 digits of its ID (``docker:4f2c0123abcd``), a pod (``pod UID``) and a container in it
        (``pod UID/containerd:4f2c0123abcd``), an LXC container (``lxc:web``); what lies below one of these is
        added to it (``lxc:web/nginx.service``). The path itself where it names none of them.
    """
    parts = [part for part in path.split("/") if part]
    return _named(parts) or path


def _named(parts: Sequence[str]) -> str:
    """Return the name of the outermost pod or container and of what is in it, or else of the innermost unit."""
    for at in range(len(parts)):
        name, used = _pod(parts, at) or _container(parts, at) or ("", 0)
        if name:
            rest = parts[at + used :]
            return "/".join([name, _named(rest) or "/".join(rest)]) if rest else name
    return _unit(parts)


def _pod(parts: Sequence[str], at: int) -> tuple[str, int] | None:
    """Return the name of a pod that begins at a component, and how many components it takes."""
    found = POD.fullmatch(parts[at])
    if found is None or not any(KUBEPODS.fullmatch(part) for part in parts[:at]):
        return None
    name = f"pod {found['uid'].replace('_', '-')}"
    # "kubepods-podUID.slice:cri-containerd:ID": a systemd name given to the cgroupfs driver, pod and container in one.
    inner = CONTAINER.fullmatch(parts[at]) if ":" in parts[at] else None
    return (f"{name}/{_short(inner)}" if inner is not None else name), 1


def _container(parts: Sequence[str], at: int) -> tuple[str, int] | None:
    """Return the name of a container that begins at a component, and how many components it takes."""
    part = parts[at]
    if found := CONTAINER.fullmatch(part):
        return _short(found), 1
    if found := PODMAN_POD.fullmatch(part):
        return f"podman-pod:{found['id'][:SHORT]}", 1
    if found := BARE.fullmatch(part):
        runtime = PARENTS.get(parts[at - 1], "container") if at else "container"
        return f"{runtime}:{found['id'][:SHORT]}", 1
    if found := LXC.fullmatch(part):
        kind = "lxc-monitor" if found["part"] == ".monitor" else "lxc"
        if found["name"]:
            return f"{kind}:{found['name']}", 1
        if at + 1 < len(parts):
            return f"{kind}:{parts[at + 1]}", 2
    return None


def _short(found: re.Match[str]) -> str:
    return f"{RUNTIMES[found['runtime']]}:{found['id'][:SHORT]}"


def _unit(parts: Sequence[str]) -> str:
    """Return the innermost systemd unit and what is below it; empty where there is none.

    A slice is only where units are kept: its name is taken where no other unit is in it.
    """
    units = [at for at, part in enumerate(parts) if UNIT.fullmatch(part)]
    if not units:
        return ""
    at = units[-1]
    if parts[at].endswith(".slice") and len(parts) > at + 1:
        return ""
    name = "/".join([_unescaped(parts[at]), *parts[at + 1 :]])
    manager = next((part for part in parts[:at] if USER_MANAGER.fullmatch(part)), "")
    return f"{manager}/{name}" if manager else name


def _unescaped(unit: str) -> str:
    """Take away the underscore that systemd puts before a name that would look like a file of the kernel's.

    (systemd: src/basic/cgroup-util.c:cg_escape.)
    """
    return unit.removeprefix("_")
