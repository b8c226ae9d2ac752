"""The zip members of a snapshot; files that lie about them are in test_storage_archive.py."""

from __future__ import annotations

import io
import zipfile

import pytest

from pagewalk.errors import SnapshotError
from pagewalk.storage.members import LZMA, STORED, Member, read_directory, read_member

COMMENT = b"the end"


def packed(**contents: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_LZMA if len(content) > 9 else None)
        archive.comment = COMMENT
    return file


def test_members_as_zipfile_writes_them() -> None:
    contents = {"a": b"short", "b": b"x" * 100_000, "c": b""}
    file = packed(**contents)
    members = read_directory(file, len(COMMENT))
    assert [(one.name, one.method, one.size) for one in members] == [
        ("a", STORED, 5),
        ("b", LZMA, 100_000),
        ("c", STORED, 0),
    ]
    assert {one.name: read_member(file, one) for one in members} == contents


@pytest.mark.parametrize("content", [b"", b"PK\5\6", b"PK\5\6" + bytes(17) + b"\1", bytes(200)])
def test_no_archive(content: bytes) -> None:
    with pytest.raises(SnapshotError, match="list of members"):
        read_directory(io.BytesIO(content), 0)


def test_a_comment_of_another_length() -> None:
    with pytest.raises(SnapshotError, match="list of members"):
        read_directory(packed(a=b"1"), len(COMMENT) - 1)


def test_a_member_beyond_the_end() -> None:
    with pytest.raises(SnapshotError, match="cut short"):
        read_member(packed(a=b"1"), Member("a", STORED, 0, 1, 1, 10_000, 0))


def test_no_more_is_unpacked_than_declared() -> None:
    file = packed(a=b"x" * 1000)
    (member,) = read_directory(file, len(COMMENT))
    for size in (999, 1001):
        content = file.getvalue().replace((1000).to_bytes(4, "little"), size.to_bytes(4, "little"))
        changed = Member(member.name, member.method, member.crc, member.packed, size, 0, member.flags)
        with pytest.raises(SnapshotError, match="damaged"):
            read_member(io.BytesIO(content), changed)
