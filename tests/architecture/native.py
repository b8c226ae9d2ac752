"""Plain C that knows nothing of Python, thin Cython, and the files a native noun has."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

from architecture.habits import FILE_LINES, FUNCTION_LINES

FORBIDDEN_HEADERS = {"Python.h", "stdio.h", "iostream", "malloc.h", "numpy/arrayobject.h"}
FORBIDDEN_SYMBOLS = {
    "aligned_alloc", "calloc", "free", "malloc", "posix_memalign", "realloc", "reallocarray", "strdup",
    "fclose", "fopen", "fprintf", "fputs", "fread", "fwrite", "perror", "printf", "putchar", "puts", "snprintf",
    "sprintf", "exit", "abort",
}  # fmt: skip
PREFIX = re.compile(r"^(pw|PW)_")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
DEFINE = re.compile(r"^\s*#\s*define\s+(\w+)", re.MULTILINE)
# Names the kernel's headers own, defined by us only under #ifndef for older ones (DESIGN section 5, STYLE).
KERNEL_NAMES = re.compile(r"^(PAGEMAP_SCAN|PM_SCAN_\w+|PAGE_IS_\w+|PAGE_REGION|_GNU_SOURCE|KCMP_\w+)$")
CYTHON_FUNCTION = re.compile(r"^(?P<indent>\s*)(?:def|cdef|cpdef)\s[^=\n]*?(?P<name>\w+)\s*\((?:[^#\n]*)$")


def compile_findings(source: Path, build: Path, compiler: str = "cc") -> list[str]:
    """Compile one C file by itself as strict C11 and read its symbols: the linker's view cannot be talked round."""
    target = build / f"{source.stem}.o"
    command = [
        compiler,
        "-std=c11",
        "-D_GNU_SOURCE",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-O1",
        "-c",
        str(source),
        "-o",
        str(target),
    ]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    if compiled.returncode:
        return [f"{source.name} does not compile by itself: {compiled.stderr.strip()}"]
    listed = subprocess.run(["nm", str(target)], capture_output=True, text=True, check=True).stdout
    return symbol_findings(source.name, symbols(listed))


def symbols(listed: str) -> Iterator[tuple[str, str]]:
    """The (kind, name) pairs of what ``nm`` prints."""
    for line in listed.splitlines():
        *_, kind, name = line.split()
        yield kind, name


def symbol_findings(file: str, found: Iterable[tuple[str, str]]) -> list[str]:
    """Symbols without the prefix, mutable globals, and calls of what plain C here must not call."""
    findings = []
    for kind, name in found:
        if name.startswith("."):
            continue  # the compiler's own
        plain = name.partition(".")[0]
        if kind == "U":
            if plain.removeprefix("__").removesuffix("_chk") in FORBIDDEN_SYMBOLS:
                findings.append(f"{file} calls {plain}")
            elif plain.startswith(("Py", "_Py")):
                findings.append(f"{file} knows Python: {plain}")
        elif kind in "bBdDCsSgG":
            findings.append(f"{file} has the global {plain}")
        elif kind in "TR" and not PREFIX.match(plain):
            findings.append(f"{file} defines {plain} without the prefix pw_")
    return findings


def text_findings(file: str, text: str) -> list[str]:
    """What the text of a C source or header shows: its name, what it includes, its macros, its size."""
    findings = []
    if not file.startswith("pw_"):
        findings.append(f"{file} lacks the prefix pw_")
    findings += [f"{file} includes {name}" for name in INCLUDE.findall(text) if name in FORBIDDEN_HEADERS]
    findings += [
        f"{file} defines the macro {name} without the prefix PW_"
        for name in DEFINE.findall(text)
        if not PREFIX.match(name) and not KERNEL_NAMES.match(name)
    ]
    findings += too_long(file, text, c_functions(text))
    return findings


def cython_findings(file: str, text: str) -> list[str]:
    """What a ``.pyx`` or ``.pxd`` must not do: numpy's headers, memory of its own, the kernel behind C's back."""
    findings = []
    for number, line in enumerate(text.splitlines(), 1):
        code = line.partition("#")[0]
        if re.search(r"\bcimport\s+numpy\b|\bfrom\s+numpy\s+cimport\b|^\s*import\s+numpy\b", code):
            findings.append(f"{file}:{number} needs numpy: memoryviews are enough")
        if re.search(r"\b(malloc|calloc|realloc|PyMem_\w+)\s*\(", code) or "libc.stdlib" in code:
            findings.append(f"{file}:{number} allocates: the caller owns every buffer")
        if re.search(r"\bfrom\s+(posix|libc\.stdio)\b|\bcimport\s+posix\b", code):
            findings.append(f"{file}:{number} talks to the kernel: that is C's work")
        # Not the signature of a callback: who calls it holds no lock, and may be in any thread.
        if re.search(r"\bwith\s+gil\b", code) and not re.match(r"cdef \w+ \w+\(.*\) noexcept with gil:", code):
            findings.append(f"{file}:{number} takes the lock inside a loop that gave it back")
    findings += too_long(file, text, cython_functions(text))
    return findings


def too_long(file: str, text: str, found: Iterable[tuple[str, int]]) -> list[str]:
    findings = [f"{file} has {lines} lines"] if (lines := text.count("\n")) > FILE_LINES else []
    findings += [f"{file}: {name} has {length} lines" for name, length in found if length > FUNCTION_LINES]
    return findings


def c_functions(text: str) -> Iterator[tuple[str, int]]:
    """Name and length of each function: from a line at the margin that ends in ``{`` to the ``}`` at the margin."""
    start, name = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not start and line[:1].isalpha() and (found := re.search(r"(\w+)\s*\(", line)) and ";" not in line:
            start, name = number, found[1]
        elif line.startswith("}") and start:
            yield name, number - start + 1
            start = 0
        elif line.endswith(";") and not line[:1].isspace():
            start = 0  # a prototype over several lines


def cython_functions(text: str) -> Iterator[tuple[str, int]]:
    """Name and length of each function of Cython source, told by indentation; its docstring is not counted."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        found = CYTHON_FUNCTION.match(line)
        if not found:
            continue
        body = [number]
        for below in range(number + 1, len(lines)):
            indented = len(lines[below]) - len(lines[below].lstrip()) > len(found["indent"])
            if lines[below].strip() and not indented and not lines[below].strip().startswith(")"):
                break
            body.append(below)
        while body and not lines[body[-1]].strip():
            body.pop()
        text_of_body = "\n".join(lines[index] for index in body)
        docstring = re.search(r'"""(?:.|\n)*?"""', text_of_body)
        yield found["name"], len(body) - (docstring[0].count("\n") + 1 if docstring else 0)


def missing_files(noun: str, root: Path, extra: Mapping[str, str]) -> list[str]:
    """Which files of a native noun are not there; ``extra`` holds the kinds asked for besides."""
    wanted = {
        "module": f"pagewalk/{noun}.py",
        "stub": f"pagewalk/_native/{noun}.pyi",
        "source": f"src_ext/{noun}.pyx",
        "test": f"tests/test_{noun}.py",
        **{kind: pattern.format(noun=noun) for kind, pattern in extra.items()},
    }
    return [f"{noun} has no {kind}: {path}" for kind, path in wanted.items() if not (root / path).is_file()]


def missing_mirror(parts: tuple[str, ...], root: Path) -> list[str]:
    """Whether a module has its test: ``tests/test_views_process.py`` for ``pagewalk.views.process``."""
    mirror = f"tests/test_{'_'.join(parts)}.py"
    return [] if (root / mirror).is_file() else [f"{'.'.join(parts)} has no test: {mirror}"]


def stub_findings(stub: ast.Module, compiled: ModuleType) -> list[str]:
    """Where a stub and its compiled module differ in public names or in the names of parameters.

    Types are stubtest's business; this much needs no mypy and so holds wherever the suite runs.
    """
    stubbed = {name: node for node in stub.body for name in _defined(node) if not name.startswith("_")}
    there = {name for name in vars(compiled) if not name.startswith("_") and name not in _imported(compiled)}
    findings = [f"{name} is in the stub only" for name in sorted(stubbed.keys() - there)]
    findings += [f"{name} is in the compiled module only" for name in sorted(there - stubbed.keys())]
    for name in sorted(stubbed.keys() & there):
        node = stubbed[name]
        if isinstance(node, ast.FunctionDef):
            said = [a.arg for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
            takes = list(inspect.signature(getattr(compiled, name)).parameters)
            if said != takes:
                findings.append(f"{name} takes {', '.join(takes)}, not {', '.join(said)}")
    return findings


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []


def _imported(compiled: ModuleType) -> set[str]:
    return {name for name, value in vars(compiled).items() if isinstance(value, ModuleType)}
