"""The members of a zip archive in the one layout that a snapshot has, read without trusting a byte of it."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from pagewalk.errors import SnapshotError

__all__ = ["LZMA", "STORED", "Member", "read_directory", "read_member"]

# Methods (APPNOTE.TXT 4.4.5). No other is written, so no other decompressor is within reach of a hostile file.
STORED, LZMA = 0, 14
# Far more than the facts have arrays, and the directory of that many.
MAX_MEMBERS = 1000
MAX_DIRECTORY = 1 << 17
# What zipfile writes: LZMA's default dictionary is 8 MiB, and a decoder is asked for no more than this.
MAX_DICTIONARY = 1 << 26

# End of the central directory, a header in it, and the header in front of a member (APPNOTE.TXT 4.3.16, 4.3.12,
# 4.3.7). With 64-bit sizes the fields below would be at their maximum, which no snapshot comes near.
END = struct.Struct("<4sHHHHIIH")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
LOCAL = struct.Struct("<4sHHHHHIIIHH")
END_MARK, CENTRAL_MARK, LOCAL_MARK = b"PK\5\6", b"PK\1\2", b"PK\3\4"
# Bits that zipfile may set: LZMA data has an end mark, the name is UTF-8. Encryption and unknown sizes are others.
FLAGS = 0x802


@dataclass(frozen=True, slots=True)
class Member:
    """A member, as the directory has it.

    Attributes
    ----------
    name : str
        Its name.
    method : int
        STORED or LZMA.
    crc : int
        CRC-32 of its content.
    packed, size : int
        Bytes in the file, and unpacked.
    offset : int
        Where its header is.
    flags : int
        The zip flags.
    """

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    flags: int

    @property
    def data(self) -> int:
        """Where its bytes are: no member has an extra field."""
        return self.offset + LOCAL.size + len(self.name)


def read_directory(file: BinaryIO, comment: int) -> list[Member]:
    """Read the members' list at the end of an archive.

    Parameters
    ----------
    file : binary file
        The archive.
    comment : int
        Length of the archive's comment, its last bytes.

    Returns
    -------
    list of Member
        In their order in the file, which they fill without gap or overlap.

    Raises
    ------
    SnapshotError
        It is no archive of the layout that a snapshot has.
    """
    length = file.seek(0, os.SEEK_END)
    end_at = length - comment - END.size
    if end_at < 0:
        raise SnapshotError("its list of members is missing")
    file.seek(end_at)
    mark, *disks, here, entries, size, start, comment_length = END.unpack(file.read(END.size))
    if mark != END_MARK or any(disks) or here != entries or comment_length != comment or start + size != end_at:
        raise SnapshotError("its list of members is damaged")
    if entries > MAX_MEMBERS or size > MAX_DIRECTORY:
        raise SnapshotError(f"it lists {entries} members in {size} bytes, more than any snapshot has")
    file.seek(start)
    members = list(_entries(file.read(size), entries))
    at = 0
    for member in members:
        if member.offset != at or member.packed > start:
            raise SnapshotError(f"member {member.name!r} does not follow the one before it")
        at = member.data + member.packed
    if at != start:
        raise SnapshotError("there is something between its members and their list")
    names = {member.name for member in members}
    if len(names) != len(members):
        raise SnapshotError("two members have one name")
    return members


def _entries(directory: bytes, entries: int) -> list[Member]:
    members = []
    at = 0
    for _ in range(entries):
        if at + CENTRAL.size > len(directory):
            raise SnapshotError("its list of members is damaged")
        fields = CENTRAL.unpack_from(directory, at)
        mark, flags, method, crc, packed, size = fields[0], fields[3], fields[4], *fields[7:10]
        name_length, others, offset = fields[10], fields[11:14], fields[16]
        name = directory[at + CENTRAL.size : at + CENTRAL.size + name_length]
        at += CENTRAL.size + name_length
        if mark != CENTRAL_MARK or len(name) != name_length or any(others):
            raise SnapshotError("its list of members is damaged")
        text = name.decode("ascii", "backslashreplace")
        if flags & ~FLAGS:
            raise SnapshotError(f"member {text!r} is encrypted or of unknown size (flags {flags:#x})")
        if method not in (STORED, LZMA):
            raise SnapshotError(f"member {text!r} is packed by method {method}, which no snapshot uses")
        if len(text) != name_length:
            raise SnapshotError(f"member {text!r} has a name that no snapshot has")
        members.append(Member(text, method, crc, packed, size, offset, flags))
    if at != len(directory):
        raise SnapshotError("its list of members is damaged")
    return members


def read_member(file: BinaryIO, member: Member) -> bytes:
    """Read a member whole.

    Parameters
    ----------
    file : binary file
        The archive.
    member : Member
        Of its directory. The caller has checked that there is room for its size.

    Returns
    -------
    bytes
        Exactly ``member.size`` of them; never more is unpacked.

    Raises
    ------
    SnapshotError
        The header in front of it says something else, it cannot be unpacked, or its bytes are not those written.
    """
    file.seek(member.offset)
    header = file.read(LOCAL.size + len(member.name))
    if len(header) != LOCAL.size + len(member.name):
        raise SnapshotError(f"member {member.name!r} is cut short")
    mark, _, flags, method, _, _, crc, packed, size, name_length, extra = LOCAL.unpack_from(header)
    said = (flags, method, crc, packed, size, name_length, extra)
    listed = (member.flags, member.method, member.crc, member.packed, member.size, len(member.name), 0)
    if mark != LOCAL_MARK or said != listed or header[LOCAL.size :] != member.name.encode():
        raise SnapshotError(f"member {member.name!r} is not what the list of members says")
    content = file.read(member.packed)
    if member.method == LZMA:
        content = _unpacked(content, member)
    if len(content) != member.size or zlib.crc32(content) != member.crc:
        raise SnapshotError(f"member {member.name!r} is damaged")
    return content


def _unpacked(packed: bytes, member: Member) -> bytes:
    """Unpack LZMA data, no more than was declared, whatever it would grow to."""
    try:
        import lzma
    except ImportError:
        raise SnapshotError("this Python was built without lzma, which a snapshot is packed with") from None
    # APPNOTE.TXT 5.8.8: the version of the packer, the length of the properties, these.
    if len(packed) < 9 or packed[2:4] != b"\5\0":
        raise SnapshotError(f"member {member.name!r} is damaged")
    properties, dictionary = packed[4], int.from_bytes(packed[5:9], "little")
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    if pb > 4 or lc + lp > 4 or dictionary > MAX_DICTIONARY:
        raise SnapshotError(f"member {member.name!r} asks for {dictionary} bytes to be unpacked with")
    chain = [{"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": max(dictionary, 4096)}]
    try:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)
        content = unpacker.decompress(packed[9:], max_length=member.size + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise SnapshotError(f"member {member.name!r} cannot be unpacked") from error
    if len(content) == member.size and not unpacker.eof and unpacker.decompress(b"", max_length=1):
        raise SnapshotError(f"member {member.name!r} is larger than it says")
    return content
