"""What is shipped: a source distribution that builds the wheel, and a wheel that works from an empty directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
NOUNS = sorted(path.stem for path in (REPOSITORY / "src_ext").glob("*.pyx"))
# What a checkout may hold besides its sources; a distribution is built from a copy without it, as from a fresh clone.
LEFT_BEHIND = (".*", "__pycache__", "*.so", "*.egg-info", "build", "dist")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.unsanitized("builds extensions of its own, and the compiler would run under the sanitizer too"),
]


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a command that must succeed, away from this interpreter's own module path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution of this checkout and the wheel built from that."""
    folder = tmp_path_factory.mktemp("packaging")
    shutil.copytree(REPOSITORY, folder / "checkout", ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", folder / "checkout", cwd=folder)
    return folder / "dist"


@pytest.fixture(scope="module")
def sdist_names(built: Path) -> set[str]:
    with tarfile.open(one(built, "*.tar.gz")) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def wheel_names(built: Path) -> set[str]:
    with zipfile.ZipFile(one(built, "*.whl")) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh virtual environment that holds the wheel and what it depends on."""
    environment = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", environment, cwd=built)
    run(environment / "bin" / "python", "-m", "pip", "install", "--quiet", one(built, "*.whl"), cwd=built)
    return environment / "bin"


def one(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_names_carry_the_version(built: Path) -> None:
    stem = f"{PROJECT['name']}-{PROJECT['version']}"
    assert one(built, "*.tar.gz").name == f"{stem}.tar.gz"
    assert one(built, "*.whl").name.startswith(f"{stem}-cp{sys.version_info.major}{sys.version_info.minor}-")


def test_sdist_holds_every_source(sdist_names: set[str]) -> None:
    native = {f"src_ext/{path.name}" for path in (REPOSITORY / "src_ext").iterdir() if path.is_file()}
    package = {
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / "pagewalk").rglob("*")
        if path.suffix in {".py", ".pyi"} or path.name in {"py.typed", "demo.pwz"}
    }
    rest = {"setup.py", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "tests/test_packaging.py"}
    assert native | package | rest <= sdist_names


def test_sdist_holds_nothing_built(sdist_names: set[str]) -> None:
    assert [
        name for name in sdist_names if name.endswith((".so", ".pyc", ".o")) or name.startswith(("build/", "."))
    ] == []


def test_wheel_holds_modules_stubs_and_nothing_else(wheel_names: set[str]) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    ours = {name for name in wheel_names if ".dist-info/" not in name}
    assert {f"pagewalk/_native/{name}{suffix}" for name in [*NOUNS, "_shared"]} == {
        name for name in ours if name.endswith(".so")
    }
    assert {f"pagewalk/_native/{noun}.pyi" for noun in NOUNS} <= ours
    assert {"pagewalk/py.typed", "pagewalk/demo.pwz"} <= ours
    assert {name for name in ours if not name.startswith("pagewalk/")} == set()
    assert {Path(name).suffix for name in ours} == {".py", ".pyi", ".so", ".typed", ".pwz"}


def test_wheel_answers_from_an_empty_directory(installed: Path, tmp_path: Path) -> None:
    printed = run(installed / "pagewalk", "--version", cwd=tmp_path)
    assert printed.startswith(f"pagewalk {PROJECT['version']}")
    assert printed.count("\n") == 1


def test_wheel_imports_from_an_empty_directory(installed: Path, tmp_path: Path) -> None:
    nouns = ", ".join(f"pagewalk._native.{noun}" for noun in NOUNS)
    script = (
        f"import pagewalk, {nouns}\nfor name in pagewalk.__all__: getattr(pagewalk, name)\nprint(pagewalk.__file__)"
    )
    printed = run(installed / "python", "-c", script, cwd=tmp_path)
    assert Path(printed.strip()).is_relative_to(installed.parent)


def test_wheel_reads_this_process(installed: Path, tmp_path: Path) -> None:
    script = "import os, pagewalk as pw; print(len(pw.read_maps(os.getpid())))"
    assert int(run(installed / "python", "-c", script, cwd=tmp_path)) > 10


def test_wheel_opens_its_demo(installed: Path, tmp_path: Path) -> None:
    printed = run(installed / "pagewalk", "demo", "process", "-b", cwd=tmp_path)
    assert "web-worker" in printed
