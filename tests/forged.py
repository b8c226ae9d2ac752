"""Snapshot files as an enemy would make them: any members, any meta.json, the seal always right."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pagewalk.errors import SnapshotError
from pagewalk.storage.archive import SCHEMA, SEAL_LENGTH, read_archive
from pagewalk.storage.numbers import CODECS

LZMA, STORED = zipfile.ZIP_LZMA, zipfile.ZIP_STORED
ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "table.set": np.array([0, 4, 2, 70000], np.uint32),
    "page": np.arange(5000, dtype=np.uint64) * 3,
    "truth": np.array([True, False]),
    "share": np.array([0.25, 1.0]),
    "empty": np.zeros(0, np.int64),
}


def npy(array: np.ndarray[Any, Any], **header: object) -> bytes:
    """A .npy of version 1; any part of its header may lie."""
    said = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape, **header}
    text = f"{{'descr': {said['descr']!r}, 'fortran_order': {said['fortran_order']}, 'shape': {said['shape']}, }}"
    return b"\x93NUMPY\1\0v\0" + text.ljust(117).encode() + b"\n" + array.tobytes()


def plain(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What meta.json says of an array that is kept as it is."""
    return {"dtype": array.dtype.str, "length": len(array), "codec": "plain", "stored": array.dtype.str}


def meta_of(arrays: Mapping[str, np.ndarray[Any, Any]], **more: Any) -> dict[str, Any]:
    said = {name: plain(array) for name, array in arrays.items()}
    return {"schema": SCHEMA, "codecs": dict(CODECS), "arrays": said, **more}


def seal(path: Path, schema: str = SCHEMA) -> Path:
    """Write the hash of a file over the last bytes of its comment."""
    content = path.read_bytes()
    end = len(content) - SEAL_LENGTH
    path.write_bytes(content[:end] + f"{schema} sha256:{hashlib.sha256(content[:end]).hexdigest()}".encode())
    return path


def unsealed(path: Path) -> bytearray:
    """The bytes of a file, to be changed and written again with `resealed`."""
    return bytearray(path.read_bytes())


def resealed(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return seal(path)


def forge(
    path: Path,
    members: Sequence[tuple[str, bytes]],
    method: int = LZMA,
    write: Callable[[zipfile.ZipFile, zipfile.ZipInfo, bytes], None] | None = None,
    schema: str = SCHEMA,
) -> Path:
    """Write an archive of these members and seal it; `write` may write a member in its own way."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = STORED if name == "meta.json" else method
            if write is None:
                archive.writestr(info, content)
            else:
                write(archive, info, content)
        archive.comment = bytes(SEAL_LENGTH)
    return seal(path, schema)


def forge_arrays(
    path: Path, arrays: Mapping[str, np.ndarray[Any, Any]], meta: object = None, method: int = LZMA
) -> Path:
    """Write a right archive of these arrays, but for what `meta` says instead."""
    text = json.dumps(meta_of(arrays) if meta is None else meta).encode()
    return forge(path, [("meta.json", text), *((f"{name}.npy", npy(array)) for name, array in arrays.items())], method)


def refusal(path: Path) -> str:
    """The one line that a file is refused with."""
    with pytest.raises(SnapshotError) as raised:
        read_archive(str(path))
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")
