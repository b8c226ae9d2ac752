"""What a public docstring must say: every parameter, and what comes back."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]*)\n-{3,}$", re.MULTILINE)
ENTRY = re.compile(r"^(?P<names>[*\w][\w*, ]*?)(?:\s*:\s.*)?$", re.MULTILINE)


def sections(docstring: str) -> dict[str, str]:
    """The text of each underlined section of a docstring, by its title."""
    found = list(SECTION.finditer(docstring))
    ends = [*(match.start() for match in found[1:]), len(docstring)]
    return {match["title"]: docstring[match.end() : end] for match, end in zip(found, ends, strict=False)}


def described(section: str) -> set[str]:
    """The names that a section of parameters describes."""
    return {name.strip().lstrip("*") for match in ENTRY.finditer(section) for name in match["names"].split(",")}


def incomplete(name: str, thing: Callable[..., Any]) -> list[str]:
    """What the docstring of one public callable leaves out."""
    docstring = inspect.getdoc(thing) or ""
    if not docstring:
        return [f"{name} has no docstring"]
    parts = sections(docstring)
    signature = inspect.signature(thing)
    parameters = {p for p in signature.parameters if p not in ("self", "cls") and not p.startswith("_")}
    findings = []
    missing = sorted(parameters - described(parts.get("Parameters", "")))
    if missing:
        findings.append(f"{name} does not describe {', '.join(missing)}")
    invented = sorted(described(parts.get("Parameters", "")) - parameters)
    if invented:
        findings.append(f"{name} describes {', '.join(invented)}, which it does not take")
    silent = signature.return_annotation in (None, "None", inspect.Signature.empty)
    if parameters and not silent and not {"Returns", "Yields"} & parts.keys():
        findings.append(f"{name} does not say what it returns")
    return findings


def public_callables(package: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of a package's ``__all__``, and the public methods its classes define themselves."""
    for name in package.__all__:
        thing = getattr(package, name)
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing):
            for method_name, method in vars(thing).items():
                function = method.__func__ if isinstance(method, classmethod | staticmethod) else method
                if inspect.isfunction(function) and not method_name.startswith("_"):
                    yield f"{name}.{method_name}", function
