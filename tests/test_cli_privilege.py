"""The one message for those without privilege: its command must work as it stands."""

from __future__ import annotations

import os
import shlex
import site
import subprocess
import sys
from pathlib import Path

import pytest

from pagewalk.cli import privilege
from pagewalk.cli.privilege import own_command, refusal


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made environment: its python, and the folders that root shares."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python3"))
    monkeypatch.setattr(sys, "argv", ["/nowhere/pagewalk"])
    monkeypatch.setattr(privilege, "folders_root_lacks", list)
    return tmp_path


def program(path: Path) -> str:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


class TestCommand:
    def test_the_script_itself(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = program(environment / "local" / "bin" / "pagewalk")
        monkeypatch.setattr(sys, "argv", [script])
        assert own_command() == [script]

    def test_by_its_whole_path(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = program(environment / "bin" / "pagewalk")
        monkeypatch.chdir(environment)
        monkeypatch.setattr(sys, "argv", ["bin/pagewalk"])
        assert own_command() == [script]

    def test_a_link_of_pipx_stays_a_link(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = program(environment / "bin" / "pagewalk")
        link = environment / "pagewalk"
        link.symlink_to(script)
        monkeypatch.setattr(sys, "argv", [str(link)])
        monkeypatch.setattr(privilege, "folders_root_lacks", lambda: ["/editable"])
        assert own_command() == [str(link)]

    def test_the_script_beside_python(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = program(environment / "bin" / "pagewalk")
        monkeypatch.setattr(sys, "argv", [str(environment / "site" / "pagewalk" / "__main__.py")])
        assert own_command() == [script]

    def test_a_module_without_the_working_directory(self, environment: Path) -> None:
        assert own_command() == [sys.executable, "-I", "-m", "pagewalk"]

    def test_what_pip_installed_for_one_user(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = program(environment / "home" / ".local" / "bin" / "pagewalk")
        monkeypatch.setattr(sys, "argv", [script])
        monkeypatch.setattr(privilege, "folders_root_lacks", lambda: ["/home/ann's/lib"])
        command = own_command()
        assert command[:3] == [sys.executable, "-I", "-c"]
        assert 'sys.path += ["/home/ann\'s/lib"]' in command[3]

    def test_works_from_anywhere_in_a_clean_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["-c"])
        line = shlex.join([*own_command(), "--version"])
        done = subprocess.run(["sh", "-c", line], capture_output=True, cwd="/", env={"PATH": os.defpath})
        assert done.stdout.startswith(b"pagewalk "), done.stderr


class TestFolders:
    def test_of_site_packages_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import numpy as np

        checkout = Path(privilege.__file__).resolve().parents[2]
        packages = Path(np.__file__).resolve().parents[1]
        monkeypatch.setattr(site, "getsitepackages", lambda: [str(packages), str(checkout)])
        assert privilege.folders_root_lacks() == []
        monkeypatch.setattr(site, "getsitepackages", lambda: [str(packages)])
        assert privilege.folders_root_lacks() == ([] if checkout == packages else [str(checkout)])


class TestMessage:
    def made(self, monkeypatch: pytest.MonkeyPatch, uid: int, path: Path, *arguments: str) -> list[str]:
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        monkeypatch.setenv("PATH", str(path))
        return refusal(
            "the kernel hides physical page numbers from uid 0 (needs CAP_SYS_ADMIN)", list(arguments)
        ).split("\n")

    def test_with_sudo(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program(environment / "path" / "sudo")
        script = program(environment / "path" / "pagewalk")
        monkeypatch.setattr(sys, "argv", [script])
        assert self.made(monkeypatch, 1000, environment / "path") == [
            "the kernel hides physical page numbers from uid 1000 (needs CAP_SYS_ADMIN)",
            f"  run:        sudo {script} report",
            "  container:  needs --privileged and the host's pid namespace",
            "  no root:    pagewalk report host.pwz       reads a saved snapshot",
            "              pagewalk report --kernel-pss   the kernel's own estimate",
            "              pagewalk demo                  a snapshot that comes with pagewalk, to try it",
            "  more:       pagewalk doctor                what this machine, kernel and user allow",
        ]

    def test_repeats_the_arguments(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program(environment / "path" / "doas")
        lines = self.made(monkeypatch, 1000, environment / "path", "--by", "process", "-P", "a b|c")
        assert lines[1].startswith("  run:        doas ")
        assert lines[1].endswith(" --by process -P 'a b|c'")

    def test_with_su_only(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        line = self.made(monkeypatch, 1000, environment / "path", "-P", '"$x`\\')[1]
        assert line.startswith('  run:        su -c "')
        # What su hands to root's shell is the command line, as it was.
        script = f'su() {{ printf %s "$2"; }}\n{line.removeprefix("  run:")}'
        command = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True).stdout
        assert shlex.split(command)[-2:] == ["-P", '"$x`\\']

    def test_root_of_a_container_needs_no_sudo(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = self.made(monkeypatch, 0, environment)
        assert lines[0].endswith("from uid 0 (needs CAP_SYS_ADMIN)")
        assert not any(line.startswith("  run:") for line in lines)

    def test_what_is_typed_again_works_from_here(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = program(environment / "my bin" / "pagewalk")
        monkeypatch.setattr(sys, "argv", [script])
        assert f"no root:    '{script}' report" in self.made(monkeypatch, 1000, environment / "path")[3]
