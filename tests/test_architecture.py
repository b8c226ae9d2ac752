"""DESIGN section 5, held: each rule over the real tree, and each shown to fail on a made source."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import pagewalk
from architecture import habits, layers, native, numpydoc
from architecture.sources import REPOSITORY, Module, imports, read_package
from pagewalk import abi, errors

MODULES = read_package()
NAMES = [module.name for module in MODULES]
SOURCES = REPOSITORY / "src_ext"
C_SOURCES = sorted(SOURCES.glob("*.c"))
CALLABLES = dict(numpydoc.public_callables(pagewalk))
NOUNS = sorted(path.stem for path in SOURCES.glob("*.pyx"))
# Files a noun owes besides its module, stub, source and test: the benchmark is due once there are benchmarks of nouns.
EXTRA_FILES: dict[str, str] = {}
every_module = pytest.mark.parametrize("module", MODULES, ids=NAMES)


BAD_C = """
#include <stdio.h>
#include <stdlib.h>
int counter;
void *grab(void) { counter++; puts("x"); return malloc(8); }
"""


def holds(findings: list[str]) -> None:
    """A rule holds when it finds nothing; what it found is all there is to say, without a traceback of the rule."""
    __tracebackhide__ = True
    if findings:
        pytest.fail("\n".join(findings), pytrace=False)


def made(name: str, text: str) -> Module:
    return Module(name, text)


class TestLayers:
    def test_every_module_has_a_rank(self) -> None:
        holds(layers.unranked(MODULES))

    def test_imports_go_strictly_downward(self) -> None:
        holds(layers.layering(MODULES))

    def test_no_cycles(self) -> None:
        holds(layers.cycles(MODULES))

    def test_an_unknown_module_is_told(self) -> None:
        assert layers.unranked([made("pagewalk.surprise", "")]) == ["pagewalk.surprise has no rank"]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("pagewalk.table", "from pagewalk.procfs import ProcFS"),
            ("pagewalk.vmas", "import pagewalk.pagemap"),
            ("pagewalk.walker", "from pagewalk import storage"),
            ("pagewalk.views.process", "import pagewalk.procfs"),
            ("pagewalk.views.process", "import pagewalk.render.text"),
            ("pagewalk.render.text", "from pagewalk.facts import Facts"),
            ("pagewalk.snapshot", "from pagewalk.render import text"),
            ("pagewalk.frames", "def late():\n    from pagewalk.facts import Facts"),
            ("pagewalk.facts", "import pagewalk as pw"),
        ],
    )
    def test_a_wrong_import_is_told(self, name: str, text: str) -> None:
        others = [made(other, "") for other in ("pagewalk.storage", "pagewalk.render.text")]
        assert len(layers.layering([*others, made(name, text)])) == 1

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("pagewalk.vmas", "from pagewalk._native import vmas\nfrom pagewalk.procfs import ProcFS"),
            ("pagewalk.cli.main", "from pagewalk.cli.options import parser\nfrom pagewalk.render import text"),
            ("pagewalk.views.process", "from pagewalk.facts import Facts\nimport numpy"),
        ],
    )
    def test_a_right_import_is_not(self, name: str, text: str) -> None:
        assert layers.layering([made(name, text)]) == []

    def test_a_cycle_is_told(self) -> None:
        circle = [
            made("pagewalk.cli.a", "import pagewalk.cli.b"),
            made("pagewalk.cli.b", "def late():\n    from pagewalk.cli import a"),
        ]
        assert layers.cycles(circle) == ["pagewalk.cli.a -> pagewalk.cli.b -> pagewalk.cli.a"]

    def test_relative_imports_are_resolved(self) -> None:
        module = Module("pagewalk.views", "from . import process\nfrom ..facts import Facts", is_package=True)
        found = [found.target for found in imports(module, {"pagewalk.views.process", "pagewalk.facts"})]
        assert found == ["pagewalk.views.process", "pagewalk.facts"]
        inner = made("pagewalk.views.process", "from ..facts import Facts")
        assert [found.target for found in imports(inner, set())] == ["pagewalk.facts"]


class TestLaziness:
    """`--help` answers in 60 ms: nothing that it does not need may be imported for it."""

    HEAVY = ("numpy", "rich", "pagewalk.snapshot")

    @pytest.mark.parametrize(
        "statement",
        [
            "import pagewalk",
            "import pagewalk.cli",
            "import pagewalk.__main__",
            "import pagewalk.cli, contextlib\nwith contextlib.suppress(SystemExit): pagewalk.cli.main(['--help'])",
        ],
        ids=["package", "cli", "main", "help"],
    )
    def test_nothing_heavy(self, statement: str) -> None:
        script = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        loaded = set(json.loads(done.stderr.splitlines()[-1]))
        assert "pagewalk" in loaded
        assert loaded.isdisjoint(self.HEAVY)

    def test_a_report_loads_no_more_than_it_needs(self) -> None:
        """Packing files, and views that are not asked for, take as long to import as a small machine to walk."""
        script = (
            "import pagewalk.cli.report, pagewalk.snapshot, sys\n"
            "print(*(name for name in sys.modules if name.startswith(('pagewalk', 'zipfile', 'email', 'rich'))))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        loaded = set(done.stdout.split())
        assert loaded.isdisjoint({"zipfile", "email", "rich", "pagewalk.storage.codec", "pagewalk.views.who"})


class TestHabits:
    def test_files_and_functions_read_in_one_sitting(self) -> None:
        holds(habits.too_long(MODULES))

    def test_tests_and_benchmarks_too(self) -> None:
        paths = [path for folder in ("tests", "benchmarks") for path in (REPOSITORY / folder).rglob("*.py")]
        modules = [Module(str(path.relative_to(REPOSITORY)), path.read_text()) for path in paths]
        assert modules
        holds(habits.too_long(modules))

    def test_no_name_that_says_nothing(self) -> None:
        others = [
            path.stem for folder in ("tests", "benchmarks", "src_ext") for path in (REPOSITORY / folder).rglob("*.*")
        ]
        holds(habits.forbidden_names([*NAMES, *others]))

    def test_no_module_has_the_name_of_a_public_function(self) -> None:
        holds(habits.shadowed(MODULES))

    @every_module
    def test_only_procfs_opens_files(self, module: Module) -> None:
        holds(habits.opened_files(module))

    @every_module
    def test_only_procfs_knows_a_path(self, module: Module) -> None:
        holds(habits.kernel_paths(module))

    @every_module
    def test_documented(self, module: Module) -> None:
        holds(habits.undocumented(module))

    @every_module
    def test_annotated(self, module: Module) -> None:
        holds(habits.unannotated(module))

    def test_a_long_file_and_a_long_function_are_told(self) -> None:
        long = "def f():\n" + '    """\n' + "\n" * 59 + '    """\n' + "    x = 1\n" * 60
        assert habits.too_long([made("pagewalk.a", long)]) == ["pagewalk.a:1 f has 61 lines"]
        assert habits.too_long([made("pagewalk.a", "\n" * 401)]) == ["pagewalk.a has 401 lines"]

    def test_a_name_that_says_nothing_is_told(self) -> None:
        assert (
            len(habits.forbidden_names(["pagewalk.utils", "_helpers", "pagewalk.views.common", "pagewalk.views"])) == 3
        )

    def test_a_hidden_function_is_told(self) -> None:
        package = Module("pagewalk", "from pagewalk.difference import diff", is_package=True)
        finding = "pagewalk.diff has the name of something that pagewalk offers"
        assert habits.shadowed([package, made("pagewalk.diff", "")]) == [finding]
        lazy = Module("pagewalk", "__all__ = ['diff']", is_package=True)
        assert habits.shadowed([lazy, made("pagewalk.diff", ""), made("pagewalk.cli.diff", "")]) == [finding]

    @pytest.mark.parametrize(
        "call",
        [
            "open('x')",
            "os.open(p, 0)",
            "path.read_text()",
            "Path(p).open()",
            "os.listdir(p)",
            "os.readlink(p)",
            "(a / b).is_file()",
        ],
    )
    def test_an_open_is_told(self, call: str) -> None:
        assert len(habits.opened_files(made("pagewalk.memcg", f"def f(path):\n    {call}\n"))) == 1
        assert habits.opened_files(made("pagewalk.procfs", call)) == []

    def test_asking_procfs_is_not_opening(self) -> None:
        text = "procfs.open('maps')\nself._procfs.read_text('stat')\ncandidate.open(procfs)"
        assert habits.opened_files(made("pagewalk.memcg", text)) == []

    def test_a_path_is_told_and_a_sentence_is_not(self) -> None:
        text = 'def f(root="/proc"):\n    """/proc/PID/maps"""\n    return "cannot read /proc/kpagecount"\n'
        assert habits.kernel_paths(made("pagewalk.system", text)) == []
        assert len(habits.kernel_paths(made("pagewalk.system", "a = f'/proc/{pid}/maps'\nb = '/sys/fs/cgroup'"))) == 2

    def test_a_bare_function_is_told(self) -> None:
        module = made(
            "pagewalk.facts", '"""A."""\nclass A:\n    def b(self, c, *d) -> None: ...\n    def _e(self): ...\n'
        )
        assert habits.undocumented(module) == [
            "pagewalk.facts.A has no docstring",
            "pagewalk.facts.A.b has no docstring",
        ]
        assert habits.unannotated(module) == [
            "pagewalk.facts.A.b: c has no type",
            "pagewalk.facts.A.b: d has no type",
            "pagewalk.facts.A._e: return has no type",
        ]


class TestPublicNames:
    @pytest.mark.parametrize("name", CALLABLES)
    def test_docstring_is_whole(self, name: str) -> None:
        holds(numpydoc.incomplete(name, CALLABLES[name]))

    def test_all_is_there(self) -> None:
        assert set(pagewalk.__all__) <= set(dir(pagewalk))

    def test_errors_are_those_of_the_design(self) -> None:
        named = {"PagewalkError", "PermissionRequired", "Unsupported", "ParseError", "SnapshotError"}
        assert set(errors.__all__) == named
        assert named <= set(pagewalk.__all__)
        assert all(issubclass(getattr(errors, name), errors.PagewalkError) for name in named)

    def test_an_incomplete_docstring_is_told(self) -> None:
        def half(pid: int, start: int, *rest: int) -> int:
            """Half.

            Parameters
            ----------
            pid : int
                It.
            stop : int
                Not there.
            """
            return pid

        assert numpydoc.incomplete("half", half) == [
            "half does not describe rest, start",
            "half describes stop, which it does not take",
            "half does not say what it returns",
        ]


class TestMirrors:
    @pytest.mark.parametrize("noun", NOUNS)
    def test_native_noun_has_its_files(self, noun: str) -> None:
        holds(native.missing_files(noun, REPOSITORY, EXTRA_FILES))

    def test_native_nouns_are_built(self) -> None:
        tree = ast.parse((REPOSITORY / "setup.py").read_text())
        assigned = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        built: dict[str, list[str]] = ast.literal_eval(assigned["NOUNS"])
        assert sorted(built) == NOUNS
        assert {name for linked in built.values() for name in linked} == {path.name for path in C_SOURCES}

    @every_module
    def test_module_has_its_test(self, module: Module) -> None:
        if not module.is_package and module.base != "__main__":
            holds(native.missing_mirror(module.parts, REPOSITORY))

    def test_packages_are_shipped(self) -> None:
        settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
        assert sorted(settings["tool"]["setuptools"]["packages"]) == [m.name for m in MODULES if m.is_package]


class TestNative:
    @pytest.mark.parametrize("noun", NOUNS)
    def test_stub_names_what_is_there(self, noun: str) -> None:
        compiled = importlib.import_module(f"pagewalk._native.{noun}")
        stub = ast.parse((REPOSITORY / "pagewalk" / "_native" / f"{noun}.pyi").read_text())
        holds(native.stub_findings(stub, compiled))

    @pytest.mark.parametrize("source", C_SOURCES, ids=lambda path: path.name)
    def test_symbols_of_c(self, source: Path, tmp_path: Path) -> None:
        holds(native.compile_findings(source, tmp_path))

    @pytest.mark.parametrize("source", sorted([*C_SOURCES, *SOURCES.glob("*.h")]), ids=lambda path: path.name)
    def test_text_of_c(self, source: Path) -> None:
        holds(native.text_findings(source.name, source.read_text()))

    @pytest.mark.parametrize("source", sorted(SOURCES.glob("*.p[yx][xd]")), ids=lambda path: path.name)
    def test_text_of_cython(self, source: Path) -> None:
        holds(native.cython_findings(source.name, source.read_text()))

    def test_bits_are_those_of_the_header(self) -> None:
        constants = importlib.import_module("pagewalk._native.abi").CONSTANTS
        ours = {f"PM_{bit.name}": int(bit) for bit in abi.PM} | {f"KPF_{bit.name}": int(bit) for bit in abi.KPF}
        for name in abi.__all__:
            if isinstance(value := getattr(abi, name), int):
                ours["PM_PFRAME_MASK" if name == "PFRAME_MASK" else name] = value
        assert constants == ours

    def test_a_bad_c_file_is_told(self, tmp_path: Path) -> None:
        source = tmp_path / "grab.c"
        source.write_text(BAD_C)
        assert sorted(native.compile_findings(source, tmp_path)) == [
            "grab.c calls malloc",
            "grab.c calls puts",
            "grab.c defines grab without the prefix pw_",
            "grab.c has the global counter",
        ]
        assert native.text_findings("grab.c", BAD_C + "#define BAD 1\n") == [
            "grab.c lacks the prefix pw_",
            "grab.c includes stdio.h",
            "grab.c defines the macro BAD without the prefix PW_",
        ]

    def test_a_bad_cython_file_is_told(self) -> None:
        text = "cimport numpy as np\nfrom libc.stdlib cimport malloc\nfrom posix.unistd cimport read\n"
        assert len(native.cython_findings("bad.pyx", text)) == 3

    def test_the_lock_is_taken_by_callbacks_only(self) -> None:
        assert native.cython_findings("good.pyx", "cdef void drop(void *kept) noexcept with gil:\n    pass\n") == []
        for text in ("    with gil:\n", "cdef int f(int a) except -1 with gil:\n"):
            assert len(native.cython_findings("bad.pyx", text)) == 1

    def test_a_long_native_function_is_told(self) -> None:
        c = "static int\npw_f(int a,\n     int b)\n{\n" + "    a++;\n" * 58 + "}\n"
        assert native.too_long("pw_f.c", c, native.c_functions(c)) == ["pw_f.c: pw_f has 62 lines"]
        cython = 'def f(int a):\n    """A."""\n' + "    a += 1\n" * 60 + "\ndef g():\n    pass\n"
        assert native.too_long("f.pyx", cython, native.cython_functions(cython)) == ["f.pyx: f has 61 lines"]

    def test_a_stub_that_lies_is_told(self) -> None:
        stub = ast.parse("def stem(path: str) -> str: ...\ndef gone() -> None: ...")
        compiled = ModuleType("made")
        vars(compiled).update(stem=lambda name: name, more=1)
        assert native.stub_findings(stub, compiled) == [
            "gone is in the stub only",
            "more is in the compiled module only",
            "stem takes name, not path",
        ]
