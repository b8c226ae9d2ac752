"""The package as text: its modules parsed, what they import, what they define."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = "pagewalk"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Import:
    """One imported module, resolved to its full name."""

    target: str
    line: int


@dataclass(frozen=True)
class Module:
    """A Python source and the name it is imported by."""

    name: str
    text: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @property
    def parts(self) -> tuple[str, ...]:
        """The name below the package: ``("views", "process")``; empty for the package itself."""
        return tuple(self.name.split(".")[1:])

    @property
    def base(self) -> str:
        return self.name.rpartition(".")[2]

    @cached_property
    def public(self) -> list[str] | None:
        """What ``__all__`` lists, where there is one: everything else in the module is private, as ruff sees it too."""
        for node in self.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                    return list(ast.literal_eval(value))
        return None

    @property
    def lines(self) -> int:
        return self.text.count("\n")


def read_package(root: Path = REPOSITORY) -> list[Module]:
    """Every module of the package below ``root``, in order of name."""
    modules = []
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(Module(name, path.read_text(encoding="utf-8"), is_package))
    return modules


def imports(module: Module, known: Iterable[str]) -> Iterator[Import]:
    """What a module imports of the package, wherever the statement stands: knowing counts, not only running.

    ``from pagewalk.views import process`` names the module ``pagewalk.views.process`` where ``known`` has it, and
    ``pagewalk.views`` otherwise.
    """
    known = set(known)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = absolute(module, node)
            targets = [name if (name := f"{source}.{alias.name}") in known else source for alias in node.names]
        else:
            continue
        for target in dict.fromkeys(targets):
            if target == PACKAGE or target.startswith(f"{PACKAGE}."):
                yield Import(target, node.lineno)


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The full name of the module after ``from``, dots resolved."""
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    package = package[: len(package) - node.level + module.is_package]
    return ".".join([*package, *([node.module] if node.module else [])])


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """Every function of a module with its qualified name, methods and nested ones too."""
    yield from _functions(module.tree, "")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield f"{prefix}{child.name}", child
        inner = f"{prefix}{child.name}." if isinstance(child, Definition) else prefix
        yield from _functions(child, inner)


def documented_lines(node: Function) -> int:
    """How many lines of a function are its docstring."""
    first = node.body[0]
    if ast.get_docstring(node) is None or first.end_lineno is None:
        return 0
    return first.end_lineno - first.lineno + 1


def docstrings(tree: ast.AST) -> Iterator[ast.expr]:
    """The constants that are docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node) is not None:
            statement = node.body[0]
            assert isinstance(statement, ast.Expr)
            yield statement.value
