"""What people call a cgroup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagewalk.labels import label

ID = "4f2c0123abcd" + "0123456789abcdef" * 3 + "cafe"
OTHER = "b" * 64
UID = "0f2c1d3e-aaaa-bbbb-cccc-0123456789ab"
SLICED = UID.replace("-", "_")
STATIC = "0f2c1d3eaaaabbbbcccc0123456789ab"
POD_SLICE = f"kubepods-burstable-pod{SLICED}.slice"
USER = "/user.slice/user-1000.slice/user@1000.service"

NAMED = {
    # systemd
    "/system.slice/nginx.service": "nginx.service",
    "/system.slice/system-getty.slice/getty@tty1.service": "getty@tty1.service",
    "/system.slice/nginx.service/worker": "nginx.service/worker",
    "/system.slice": "system.slice",
    "/init.scope": "init.scope",
    "/system.slice/_cpu.service": "cpu.service",
    "/user.slice/user-1000.slice/session-3.scope": "session-3.scope",
    f"{USER}": "user@1000.service",
    f"{USER}/init.scope": "user@1000.service/init.scope",
    f"{USER}/app.slice/app-foo.scope": "user@1000.service/app-foo.scope",
    r"/machine.slice/machine-qemu\x2d1\x2dvm.scope": r"machine-qemu\x2d1\x2dvm.scope",
    # Containers
    f"/docker/{ID}": "docker:4f2c0123abcd",
    f"/system.slice/docker-{ID}.scope": "docker:4f2c0123abcd",
    f"/system.slice/docker-{ID}.scope/init.scope": "docker:4f2c0123abcd/init.scope",
    f"/system.slice/docker-{ID}.scope/system.slice/nginx.service": "docker:4f2c0123abcd/nginx.service",
    f"/docker/{OTHER}/docker/{ID}": "docker:bbbbbbbbbbbb/docker:4f2c0123abcd",
    f"/docker/{ID}/some/where": "docker:4f2c0123abcd/some/where",
    f"/machine.slice/libpod-{ID}.scope": "podman:4f2c0123abcd",
    f"/machine.slice/libpod-{ID}.scope/container": "podman:4f2c0123abcd/container",
    f"/machine.slice/libpod-conmon-{ID}.scope": "podman-conmon:4f2c0123abcd",
    f"{USER}/user.slice/libpod-{ID}.scope": "podman:4f2c0123abcd",
    f"/machine.slice/machine-libpod_pod_{OTHER}.slice": "podman-pod:bbbbbbbbbbbb",
    f"/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope": "podman-pod:bbbbbbbbbbbb/podman:4f2c0123abcd",
    f"/libpod_parent/libpod-{ID}": "podman:4f2c0123abcd",
    f"/default/{ID}": "containerd:4f2c0123abcd",
    f"/system.slice/nerdctl-{ID}.scope": "containerd:4f2c0123abcd",
    f"/system.slice/crio-{ID}.scope": "cri-o:4f2c0123abcd",
    f"/ecs/0123456789abcdef0123456789abcdef/{ID}": "container:4f2c0123abcd",
    # Pods
    f"/kubepods.slice/kubepods-burstable.slice/{POD_SLICE}": f"pod {UID}",
    f"/kubepods.slice/kubepods-burstable.slice/{POD_SLICE}/cri-containerd-{ID}.scope": (
        f"pod {UID}/containerd:4f2c0123abcd"
    ),
    f"/kubepods.slice/kubepods-pod{SLICED}.slice/crio-{ID}.scope": f"pod {UID}/cri-o:4f2c0123abcd",
    f"/kubepods.slice/kubepods-pod{SLICED}.slice/crio-conmon-{ID}.scope": f"pod {UID}/cri-o-conmon:4f2c0123abcd",
    f"/kubepods/besteffort/pod{UID}/{ID}": f"pod {UID}/container:4f2c0123abcd",
    f"/kubepods/besteffort/pod{UID}": f"pod {UID}",
    f"/kubepods/pod{STATIC}/{ID}": f"pod {STATIC}/container:4f2c0123abcd",
    f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-{POD_SLICE}": f"pod {UID}",
    f"/kubepods/kubepods-burstable-pod{SLICED}.slice:cri-containerd:{ID}": f"pod {UID}/containerd:4f2c0123abcd",
    "/kubepods.slice/kubepods-burstable.slice": "kubepods-burstable.slice",
    # LXC
    "/lxc/web": "lxc:web",
    "/lxc.payload.web": "lxc:web",
    "/lxc.payload/web": "lxc:web",
    "/lxc.monitor.web": "lxc-monitor:web",
    "/lxc.payload.web/system.slice/nginx.service": "lxc:web/nginx.service",
    "/lxc/web/init.scope": "lxc:web/init.scope",
}

UNNAMED = [
    "/",
    "",
    "/lxc",
    "/docker",
    "/kubepods/besteffort",
    "/system.slice/stray",
    f"/pod{UID}",  # not below kubepods: anybody may call a cgroup so
    "/batch/job 17",
    "/a\nb",
    "/deadbeefcafe",
    "/docker-4f2c.scopes",
]


@pytest.mark.parametrize(("path", "name"), NAMED.items(), ids=NAMED.values())
def test_names(path: str, name: str) -> None:
    assert label(path) == name


@pytest.mark.parametrize("path", UNNAMED)
def test_else_the_path(path: str) -> None:
    assert label(path) == path


PARTS = sorted({part for path in NAMED for part in path.split("/")}) + ["a b", "lxc.", "pod", ".scope"]


@given(st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=8)), max_size=8))
def test_any_path_has_a_name(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    assert label(path)
