"""One file, one job: sizes, names, who opens files, who is documented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from architecture.layers import component
from architecture.sources import Definition, Function, Module, docstrings, documented_lines, functions

FILE_LINES = 400
FUNCTION_LINES = 60
FORBIDDEN = {"common", "helper", "helpers", "misc", "shared", "util", "utils"}

# The components that open files: the kernel's, a snapshot's, and what the command writes with -o.
OPENERS = {"procfs", "storage", "cli"}
OPENING_NAMES = {"open"}
OPENING_METHODS = {
    "open",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "iterdir",
    "glob",
    "rglob",
    "is_file",
    "is_dir",
}
OPENING_OS = {"open", "fdopen", "listdir", "scandir", "walk", "readlink", "stat", "lstat", "access"}
# A literal that *is* a path of the kernel's, as opposed to a sentence that mentions one.
KERNEL_PATH = re.compile(r"/(proc|sys)(/[^\s]*)?")
PATH_KNOWERS = {"procfs"}


def too_long(modules: Iterable[Module]) -> list[str]:
    """Files and functions that cannot be read in one sitting; a docstring is not counted against its function."""
    findings = []
    for module in modules:
        if module.lines > FILE_LINES:
            findings.append(f"{module.name} has {module.lines} lines")
        for name, node in functions(module):
            length = (node.end_lineno or node.lineno) - node.lineno + 1 - documented_lines(node)
            if length > FUNCTION_LINES:
                findings.append(f"{module.name}:{node.lineno} {name} has {length} lines")
    return findings


def forbidden_names(names: Iterable[str]) -> list[str]:
    """Modules whose name says nothing."""
    return [f"{name} says nothing" for name in names if FORBIDDEN & set(name.strip("_").split("."))]


def shadowed(modules: Sequence[Module]) -> list[str]:
    """Modules that have the name of what their package offers under it: importing the one hides the other."""
    offered = {module.name: set(module.public or ()) | _bound(module) for module in modules if module.is_package}
    return [
        f"{module.name} has the name of something that {package} offers"
        for module in modules
        if module.base in offered.get(package := module.name.rpartition(".")[0], ())
    ]


def _bound(package: Module) -> set[str]:
    """The functions and classes a package defines or takes in from its modules, but not the modules themselves."""
    names = {node.name for node in package.tree.body if isinstance(node, Definition)}
    for node in package.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module != package.name:
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def opened_files(module: Module) -> list[str]:
    """Calls that reach the file system from a module which is not to know there is one."""
    if component(module.name) in OPENERS:
        return []
    return [
        f"{module.name}:{node.lineno} calls {ast.unparse(node.func)}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and _opens(node.func) and not any(_is_procfs(value) for value in node.args)
    ]


def _opens(function: ast.expr) -> bool:
    match function:
        case ast.Name(id=name):
            return name in OPENING_NAMES
        case ast.Attribute(value=ast.Name(id="os"), attr=name):
            return name in OPENING_OS
        case ast.Attribute(value=value) if _is_procfs(value):
            return False
        case ast.Attribute(attr=name):
            return name in OPENING_METHODS
    return False


def _is_procfs(value: ast.expr) -> bool:
    """Whether this is the one object that may open files: asking it, or handing it on to be asked, is not opening."""
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_") == "procfs"
    return False


def kernel_paths(module: Module) -> list[str]:
    """Literals that are a kernel's path, outside `procfs`; defaults, docstrings and sentences may name one."""
    if component(module.name) in PATH_KNOWERS:
        return []
    allowed = {id(node) for node in (*_defaults(module.tree), *docstrings(module.tree))}
    return [
        f"{module.name}:{node.lineno} holds the path {node.value!r}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and KERNEL_PATH.fullmatch(node.value)
        and id(node) not in allowed
    ]


def _defaults(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield from node.args.defaults
            yield from (default for default in node.args.kw_defaults if default is not None)


def undocumented(module: Module) -> list[str]:
    """Public names without a docstring: the module, its classes and functions, and their public methods."""
    findings = [] if ast.get_docstring(module.tree) else [f"{module.name} has no docstring"]
    findings += [
        f"{module.name}.{name} has no docstring"
        for name, node in _public(module.tree, "")
        if not ast.get_docstring(node) and (module.public is None or name.partition(".")[0] in module.public)
    ]
    return findings


def unannotated(module: Module) -> list[str]:
    """Functions, public or not, with a parameter or a result that has no type."""
    findings = []
    for name, node in functions(module):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments += [extra for extra in (node.args.vararg, node.args.kwarg) if extra is not None]
        bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        if node.returns is None:
            bare.append("return")
        findings += [f"{module.name}.{name}: {parameter} has no type" for parameter in bare]
    return findings


def _public(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition) and not child.name.startswith("_"):
            yield f"{prefix}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from _public(child, f"{prefix}{child.name}.")
