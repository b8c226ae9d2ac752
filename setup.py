"""The native build: one extension a noun, from src_ext/ into pagewalk/_native/.

Switches, read from the environment, for developers:

PAGEWALK_DEBUG=1     bounds checks in Cython, -O0, assertions
PAGEWALK_SANITIZE=1  address and undefined-behaviour sanitizers (run under LD_PRELOAD of libasan)
PAGEWALK_COVERAGE=1  Cython line tracing
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SOURCE = Path("src_ext")


def switch(name: str) -> bool:
    return os.environ.get(name, "0") not in ("", "0")


DEBUG = switch("PAGEWALK_DEBUG")
SANITIZE = switch("PAGEWALK_SANITIZE")
COVERAGE = switch("PAGEWALK_COVERAGE")

# The plain C that each noun links; every other file of src_ext is a dependency.
NOUNS = {
    "abi": [],
    "procfs": ["pw_io.c", "pw_space.c", "pw_stat.c"],
    "vmas": ["pw_maps.c"],
    "pagemap": ["pw_io.c", "pw_scan.c"],
    "ownership": ["pw_intern.c"],
    "frames": ["pw_io.c", "pw_folio.c", "pw_intern.c"],
    "tally": ["pw_intern.c"],
    "residence": ["pw_io.c", "pw_residence.c"],
    "arrow": ["pw_arrow.c"],
    "tree": ["pw_tree.c", "pw_stat.c"],
}

compile_args = ["-std=c11", "-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-parameter"]
compile_args += ["-Werror=implicit-function-declaration"]  # else only the import says so
link_args: list[str] = []
macros: list[tuple[str, str | None]] = [("_GNU_SOURCE", "1")]
if SANITIZE:
    compile_args += ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g"]
    link_args += ["-fsanitize=address,undefined"]
compile_args += ["-O0", "-g"] if DEBUG else ["-O1"] if SANITIZE else ["-O3"]
if COVERAGE:
    macros += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]

# The code that every memoryview needs, once for all modules: without it each of them holds a copy of 1 MiB.
SHARED = "pagewalk._native._shared"

# Plain cythonize() leaves the .pyx, .pxd, .c and .h out of the source distribution: name them all.
DEPENDS = sorted(str(path) for path in SOURCE.iterdir() if path.suffix in {".c", ".h", ".pxd", ".pyx"})

extensions = [
    Extension(
        f"pagewalk._native.{noun}",
        [str(SOURCE / f"{noun}.pyx"), *(str(SOURCE / name) for name in plain_c)],
        include_dirs=[str(SOURCE)],
        depends=DEPENDS,
        define_macros=macros,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )
    for noun, plain_c in NOUNS.items()
]
extensions.append(
    Extension(
        SHARED,
        [str(SOURCE / "_shared.c")],
        define_macros=macros,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )
)

setup(
    ext_modules=cythonize(
        extensions,
        include_path=[str(SOURCE)],
        build_dir="build/cython",
        shared_utility_qualified_name=SHARED,
        compiler_directives={
            "language_level": "3",
            "boundscheck": DEBUG or SANITIZE,
            "wraparound": False,
            "cdivision": True,
            # It would raise without holding the lock in nogil functions (Cython 3.3); the sanitizer sees the access.
            "initializedcheck": False,
            "embedsignature": True,
            "autotestdict": False,
            "linetrace": COVERAGE,
        },
    ),
)
