"""A snapshot's file: meta.json and one .npy a column, in a zip that numpy.load opens too.

The layout is the one that `numpy.load` knows as npz. ``meta.json`` comes first and names the version, and for each
array its type and how it is kept (`numbers.CODECS`). Members are packed by LZMA: forked processes have the same
pages again and again, megabytes apart, where deflate does not see them (a prefork server of 64 children: 1.1 MB
instead of 21.7). The zip's comment seals the file: a damaged byte anywhere is told before anything is believed.

A file may be hostile. Nothing is unpacked before its size was declared, was found to be sane, and fits the rest.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Container, Mapping
from typing import IO, Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from pagewalk.errors import SnapshotError
from pagewalk.storage.members import STORED, Member, read_directory, read_member
from pagewalk.storage.newfile import FORCE, new_file
from pagewalk.storage.numbers import CODECS, Kept, keep, kept_as, restore

__all__ = ["SCHEMA", "VERSION", "read_archive", "write_archive"]

VERSION = 1
SCHEMA = f"pagewalk-snapshot/{VERSION}"
META = "meta.json"
# Arrays are named as their fields are: table.set, spaces.pids.length
NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")

# A snapshot may unpack to this much, and to so many times its own size beyond it.
FLOOR = 32 << 20
RATIO = 256
MAX_META = 1 << 20

SEAL = re.compile(rb"pagewalk-snapshot/(\d{1,9}) sha256:([0-9a-f]{64})")
SEAL_LENGTH = len(f"{SCHEMA} sha256:") + 64
PIECE = 1 << 20
# The header of a .npy of version 1 (numpy.lib.format): it takes 128 bytes for any length.
NPY_HEADER = 128

_Arrays = Mapping[str, NDArray[Any]]


def write_archive(path: str, meta: Mapping[str, Any], arrays: _Arrays, force: bool = False, how: str = FORCE) -> int:
    """Write a snapshot's file.

    Parameters
    ----------
    path : str
        The file to make; see `new_file`.
    meta : mapping
        What JSON can hold.
    arrays : mapping of str to ndarray
        1-D arrays of integers, bool or float64.
    force : bool
        Replace a regular file of that name.
    how : str
        What the caller is to give to have it replaced, for the message.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    PagewalkError
        The file exists already, or cannot be made there.
    OSError
        It cannot be written.
    """
    kept = {name: keep(array) for name, array in arrays.items()}
    if bad := [name for name in kept if NAME.fullmatch(name) is None]:
        raise ValueError(f"no name for an array: {bad[0]!r}")
    said = {name: {field: getattr(one, field) for field in Kept.__slots__} for name, (one, _) in kept.items()}
    text = json.dumps({"schema": SCHEMA, **meta, "codecs": CODECS, "arrays": said}, allow_nan=False).encode()
    if len(text) > MAX_META:
        raise SnapshotError(f"{path}: the facts beside the arrays take {len(text)} bytes, more than {MAX_META}")
    unpacked = sum(one.nbytes for one, _ in kept.values())
    with new_file(path, force, how) as out:
        size, gains = _write_members(out, text, kept)
        if (missing := (unpacked - FLOOR) // RATIO + 1 - size) > 0:
            # Columns so alike that nothing is left of them packed: what is read must not look like a zip bomb.
            size, _ = _write_members(out, text, kept, _loose(gains, missing))
    return size


def _loose(gains: Mapping[str, int], missing: int) -> set[str]:
    """Choose arrays to be left as they are, so that the file gets at least so many bytes larger.

    Each array comes with what packing it has saved. All of them together are enough: a number takes a byte or more.
    """
    rest, loose = dict(gains), set[str]()
    while missing > 0 and rest:
        enough = [name for name, gain in rest.items() if gain >= missing]
        chosen = min(enough, key=rest.__getitem__) if enough else max(rest, key=rest.__getitem__)
        missing -= rest.pop(chosen)
        loose.add(chosen)
    return loose


def _limit(size: int) -> int:
    """Return how many bytes a file of this size may unpack to."""
    return FLOOR + RATIO * size


def _write_members(
    out: IO[bytes],
    meta: bytes,
    kept: Mapping[str, tuple[Kept, NDArray[Any]]],
    loose: Container[str] = (),
) -> tuple[int, dict[str, int]]:
    """Write the whole archive; return its size, and how much smaller packing has made each array."""
    gains = {}
    out.seek(0)
    out.truncate()
    try:
        with zipfile.ZipFile(out, "w", allowZip64=False) as archive:
            # No time of day: the same facts make the same file.
            archive.writestr(zipfile.ZipInfo(META), meta)
            for name, (one, stored) in kept.items():
                info = zipfile.ZipInfo(f"{name}.npy")
                info.compress_type = zipfile.ZIP_STORED if name in loose else zipfile.ZIP_LZMA
                info.file_size = NPY_HEADER + one.stored_nbytes
                with archive.open(info, "w") as member:
                    member.write(_npy_header(one))
                    member.write(stored.data)
                gains[name] = info.file_size - info.compress_size
            archive.comment = bytes(SEAL_LENGTH)
    except (zipfile.LargeZipFile, RuntimeError) as error:
        # A column or a file beyond 2 GiB; or a Python that was built without lzma.
        raise SnapshotError(f"these facts cannot be written: {error}") from error
    end = out.tell() - SEAL_LENGTH
    digest = _digest(out, end)
    out.seek(end)
    out.write(f"{SCHEMA} sha256:{digest}".encode())
    return out.tell(), gains


def _digest(file: IO[bytes], length: int) -> str:
    """Return the hash of the first so many bytes."""
    digest = hashlib.sha256()
    file.seek(0)
    while length and (piece := file.read(min(length, PIECE))):
        digest.update(piece)
        length -= len(piece)
    return digest.hexdigest()


def _npy_header(kept: Kept) -> bytes:
    """Return what stands before the numbers in a .npy."""
    text = f"{{'descr': '{kept.stored}', 'fortran_order': False, 'shape': ({kept.length},), }}"
    room = NPY_HEADER - 10
    return b"\x93NUMPY\1\0" + room.to_bytes(2, "little") + text.ljust(room - 1).encode() + b"\n"


def read_archive(path: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a snapshot's file.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    meta : dict
        As it was written, with ``schema``.
    arrays : dict of str to ndarray
        As they were written.

    Raises
    ------
    SnapshotError
        The file is no snapshot, of another version, or damaged. Nothing of it is returned.
    OSError
        It cannot be opened.
    """
    # A FIFO would keep waiting for its writer.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        size = _regular_size(fd)
        with open(fd, "rb", closefd=False) as file:
            _check_seal(file, size)
            return _read(file, size)
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error}") from error
    finally:
        os.close(fd)


def _regular_size(fd: int) -> int:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        what = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise SnapshotError(f"this is {what}; give a file made by `pagewalk snapshot`")
    if not found.st_size:
        raise SnapshotError("the file is empty; take the snapshot, or copy it, again")
    return found.st_size


def _check_seal(file: BinaryIO, size: int) -> None:
    """Raise unless the file is whole, as it was written, and of a version that is known."""
    begins_as_zip = file.read(4) == b"PK\3\4"
    file.seek(max(size - SEAL_LENGTH - 8, 0))
    found = re.search(SEAL.pattern + rb"\Z", file.read())
    if found is None:
        if not begins_as_zip:
            raise SnapshotError("this is no snapshot; give a file made by `pagewalk snapshot`")
        raise SnapshotError("the file is cut short, or pagewalk did not write it; copy it, or take it, again")
    _check_version(int(found[1]))
    if _digest(file, size - len(found[0])) != found[2].decode():
        raise SnapshotError("the file was damaged since it was written; copy it, or take it, again")


def _check_version(version: int) -> None:
    if version == VERSION:
        return
    if version > VERSION:
        advice = "read it with a newer pagewalk"
    else:
        advice = "take the snapshot again"
    raise SnapshotError(f"the snapshot is of version {version}, this pagewalk reads version {VERSION}: {advice}")


def _read(file: BinaryIO, size: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    members = read_directory(file, SEAL_LENGTH)
    if not members or members[0].name != META or members[0].method != STORED or members[0].size > MAX_META:
        raise SnapshotError(f"its first member is not {META} of a snapshot")
    meta = _parsed(read_member(file, members[0]))
    match meta.get("schema"):
        case str(schema) if re.fullmatch(r"pagewalk-snapshot/\d{1,9}", schema):
            _check_version(int(schema.partition("/")[2]))
        case _:
            raise SnapshotError(f"{META} does not name the version of the snapshot")
    described = meta.pop("arrays", None)
    meta.pop("codecs", None)
    if not isinstance(described, dict) or len(described) != len(members) - 1:
        raise SnapshotError(f"{META} and the members do not list the same arrays")
    kept: dict[str, tuple[Kept, Member]] = {}
    for (name, said), member in zip(described.items(), members[1:], strict=True):
        one = kept_as(said)
        if NAME.fullmatch(name) is None or member.name != f"{name}.npy":
            raise SnapshotError(f"member {member.name!r} is not the array {name!r} that {META} lists")
        if one is None or member.size != NPY_HEADER + one.stored_nbytes:
            raise SnapshotError(f"{META} does not say what member {member.name!r} is")
        kept[name] = one, member
    unpacked = sum(one.nbytes for one, _ in kept.values())
    if unpacked > _limit(size):
        raise SnapshotError(f"its {size} bytes claim to be {unpacked} unpacked, which no snapshot's are")
    return meta, {name: _array(file, one, member) for name, (one, member) in kept.items()}


def _parsed(text: bytes) -> dict[str, Any]:
    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    def finite(number: str) -> float:
        value = float(number)
        return value if math.isfinite(value) else refuse(number)

    try:
        meta = json.loads(text, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"{META} is no JSON that pagewalk wrote") from error
    if not isinstance(meta, dict):
        raise SnapshotError(f"{META} is no JSON that pagewalk wrote")
    return meta


def _array(file: BinaryIO, kept: Kept, member: Member) -> NDArray[Any]:
    content = read_member(file, member)
    if content[:NPY_HEADER] != _npy_header(kept):
        raise SnapshotError(f"member {member.name!r} is not the array that {META} describes")
    try:
        return restore(kept, np.frombuffer(content, kept.stored, offset=NPY_HEADER))
    except ValueError as error:
        raise SnapshotError(f"member {member.name!r} holds {error}") from error
