"""Files that lie about their content, the seal always right: refused with one line, in bounded memory and time."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import forged
from forged import ARRAYS, refusal
from pagewalk.storage import archive
from pagewalk.storage.archive import SCHEMA, read_archive


def metas_that_lie() -> dict[str, bytes]:
    """Texts of meta.json, each wrong in one way."""
    right = json.dumps(forged.meta_of({}))
    return {
        "no json": b"{",
        "no text": b"\xff\xfe",
        "no object": b"[1]",
        "nothing": b"",
        "nan": right.replace("{", '{"x": NaN, ', 1).encode(),
        "infinity": right.replace("{", '{"x": -Infinity, ', 1).encode(),
        "huge float": right.replace("{", '{"x": 1e999, ', 1).encode(),
        "huge integer": right.replace("{", '{"x": ' + "9" * 5000 + ", ", 1).encode(),
        "deep": b'{"x": ' * 100_000,
        "deep lists": b'{"x": ' + b"[" * 100_000,
        "too large": b'{"x": "' + b"x" * (1 << 20) + b'"}',
        "no schema": b'{"arrays": {}}',
        "schema of another": b'{"schema": "pagewalk/1", "arrays": {}}',
        "schema no text": b'{"schema": 1, "arrays": {}}',
        "no arrays": f'{{"schema": "{SCHEMA}"}}'.encode(),
        "arrays no object": f'{{"schema": "{SCHEMA}", "arrays": []}}'.encode(),
        "an array too many": json.dumps(forged.meta_of({"a": np.zeros(1)})).encode(),
    }


class TestForged:
    @pytest.mark.parametrize("text", metas_that_lie().values(), ids=metas_that_lie())
    def test_meta(self, text: bytes, tmp_path: Path) -> None:
        assert "meta.json" in refusal(forged.forge(tmp_path / "x", [("meta.json", text)]))

    def test_an_array_that_meta_does_not_list(self, tmp_path: Path) -> None:
        members = [("meta.json", json.dumps(forged.meta_of({})).encode()), ("a.npy", forged.npy(np.zeros(1)))]
        assert "do not list the same" in refusal(forged.forge(tmp_path / "x", members))

    @pytest.mark.parametrize("name", ["../a", "/etc/a", "a/../b", "a\\b", "", "a..b", "caf\xe9", "a\0b", "con:", "."])
    def test_names_that_no_array_has(self, name: str, tmp_path: Path) -> None:
        arrays = {name: np.zeros(1)}
        message = refusal(forged.forge_arrays(tmp_path / "x", arrays))
        assert "name" in message or "is not the array" in message
        assert sorted(path.name for path in tmp_path.iterdir()) == ["x"]

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_names_given_twice(self, tmp_path: Path) -> None:
        text = json.dumps(forged.meta_of({"a": np.zeros(1), "b": np.zeros(1)})).encode()
        content = forged.npy(np.zeros(1))
        path = forged.forge(tmp_path / "x", [("meta.json", text), ("a.npy", content), ("a.npy", content)])
        assert "one name" in refusal(path)

    def test_meta_is_not_first(self, tmp_path: Path) -> None:
        arrays = {"a": np.zeros(1)}
        members = [("a.npy", forged.npy(arrays["a"])), ("meta.json", json.dumps(forged.meta_of(arrays)).encode())]
        assert "first member" in refusal(forged.forge(tmp_path / "x", members))
        assert "first member" in refusal(forged.forge(tmp_path / "x", []))

    @pytest.mark.parametrize(
        "header",
        [
            {"descr": "|O"},
            {"descr": "<f8"},
            {"fortran_order": True},
            {"shape": (2,)},
            {"shape": (3, 1)},
            {"shape": ()},
        ],
    )
    def test_headers_of_arrays(self, header: dict[str, object], tmp_path: Path) -> None:
        array = np.arange(3)
        text = json.dumps(forged.meta_of({"a": array})).encode()
        path = forged.forge(tmp_path / "x", [("meta.json", text), ("a.npy", forged.npy(array, **header))])
        assert "is not the array that meta.json describes" in refusal(path)

    def test_a_pickle(self, tmp_path: Path) -> None:
        boom = np.array([print], object)
        np.save(tmp_path / "pickled.npy", boom, allow_pickle=True)
        content = (tmp_path / "pickled.npy").read_bytes()
        said = {"a": {"dtype": "|u1", "length": len(content) - 128, "codec": "plain", "stored": "|u1"}}
        text = json.dumps({**forged.meta_of({}), "arrays": said}).encode()
        path = forged.forge(tmp_path / "x", [("meta.json", text), ("a.npy", content)])
        assert "is not the array that meta.json describes" in refusal(path)

    @pytest.mark.parametrize(
        "said", [{"dtype": "|O"}, {"length": 4}, {"length": -1}, {"length": 1 << 39}, {"codec": "x"}, {"stored": "|i1"}]
    )
    def test_descriptions_of_arrays(self, said: dict[str, object], tmp_path: Path) -> None:
        arrays = {"a": np.arange(3)}
        meta = forged.meta_of(arrays)
        meta["arrays"]["a"].update(said)
        assert "does not say what member 'a.npy' is" in refusal(forged.forge_arrays(tmp_path / "x", arrays, meta))

    def test_sums_beyond_their_type(self, tmp_path: Path) -> None:
        arrays = {"a": np.array([200, 200], np.uint8)}
        meta = forged.meta_of(arrays)
        meta["arrays"]["a"].update(codec="ascending")
        assert "beyond their type" in refusal(forged.forge_arrays(tmp_path / "x", arrays, meta))

    def test_other_methods(self, tmp_path: Path) -> None:
        for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
            message = refusal(forged.forge_arrays(tmp_path / "x", {"a": np.zeros(99)}, method=method))
            assert f"method {method}" in message

    def test_plain_members_are_read_as_well(self, tmp_path: Path) -> None:
        path = forged.forge_arrays(tmp_path / "x", ARRAYS, method=zipfile.ZIP_STORED)
        assert list(read_archive(str(path))[1]) == list(ARRAYS)


def limited(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process that can have no more than 256 MiB beyond what numpy takes at its start."""
    prelude = """
        import resource, sys
        import numpy
        import lzma
        from pagewalk.errors import SnapshotError
        from pagewalk.storage.archive import read_archive
        def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        before = peak()
    """
    whole = textwrap.dedent(prelude) + textwrap.dedent(script)
    return subprocess.run([sys.executable, "-c", whole, *arguments], capture_output=True, text=True, timeout=60)


def used_by_children() -> float:
    """Seconds of CPU time that children which have ended used: on a busy machine they wait for much longer."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


READ = """
try:
    read_archive(sys.argv[1])
    print("read")
except SnapshotError as error:
    print(error)
assert peak() - before < 256, (before, peak())
"""


class TestBombs:
    def refused(self, path: Path) -> str:
        began = used_by_children()
        done = limited(READ, str(path))
        assert done.returncode == 0, done.stderr
        assert used_by_children() - began < 20
        return done.stdout

    def bomb(self, path: Path, size: int, declared: int) -> Path:
        """A member of `size` zero bytes for which meta.json says `declared`."""
        header = forged.npy(np.zeros(0, np.uint8), shape=(declared,))
        said = {"a": {"dtype": "<i8", "length": declared, "codec": "plain", "stored": "|i1"}}
        text = json.dumps({**forged.meta_of({}), "arrays": said}).encode()

        def write(target: zipfile.ZipFile, info: zipfile.ZipInfo, content: bytes) -> None:
            with target.open(info, "w") as member:
                member.write(content)
                for _ in range(size >> 20 if info.filename == "a.npy" else 0):
                    member.write(bytes(1 << 20))

        return forged.forge(path, [("meta.json", text), ("a.npy", header)], write=write)

    def test_one_that_says_so(self, tmp_path: Path) -> None:
        path = self.bomb(tmp_path / "x", 128 << 20, 128 << 20)
        assert path.stat().st_size < 100_000
        assert "which no snapshot's are" in self.refused(path)

    def test_one_that_lies_in_meta(self, tmp_path: Path) -> None:
        assert "does not say what member" in self.refused(self.bomb(tmp_path / "x", 64 << 20, 10))

    def test_one_that_lies_everywhere(self, tmp_path: Path) -> None:
        """The directory, the header and meta.json all say 10 numbers; what is packed grows to 300 MiB."""
        path = self.bomb(tmp_path / "x", 300 << 20, 10)
        content = forged.unsealed(path)
        real, told = ((300 << 20) + 128).to_bytes(4, "little"), (138).to_bytes(4, "little")
        assert content.count(real) == 2
        assert self.refused(forged.resealed(path, bytes(content.replace(real, told)))).rstrip().endswith("is damaged")

    def test_the_largest_that_is_let_through(self, tmp_path: Path) -> None:
        length = (archive.FLOOR >> 3) + (1 << 20)
        path = self.bomb(tmp_path / "x", length, length - 128)
        # Its header takes the first 128 of these bytes, so the numbers are declared so many fewer.
        done = limited(READ, str(path))
        assert done.returncode == 0, done.stderr

    def test_a_dictionary_of_gigabytes(self, tmp_path: Path) -> None:
        path = forged.forge_arrays(tmp_path / "x", {"a": np.arange(99)})
        content = forged.unsealed(path)
        at = content.index(b"a.npy") + 5
        content[at + 5 : at + 9] = b"\xff\xff\xff\xff"
        assert "asks for 4294967295 bytes" in refusal(forged.resealed(path, bytes(content)))

    def test_many_members(self, tmp_path: Path) -> None:
        members = [(f"{number}.npy", b"") for number in range(2000)]
        assert "more than any snapshot has" in refusal(forged.forge(tmp_path / "x", members, zipfile.ZIP_STORED))


def changed_directory(path: Path, change: Callable[[bytearray, int, int, int], None]) -> Path:
    """Change a right archive: the function is given its bytes, and where its headers and its end are."""
    forged.forge_arrays(path, {"a": np.arange(99)})
    content = forged.unsealed(path)
    change(content, content.index(b"PK\3\4", 4), content.rindex(b"PK\1\2"), content.rindex(b"PK\5\6"))
    return forged.resealed(path, bytes(content))


class TestLyingDirectories:
    @pytest.mark.parametrize("flags", [1, 1 << 3, 1 << 6], ids=["encrypted", "unknown size", "strongly encrypted"])
    def test_flags(self, flags: int, tmp_path: Path) -> None:
        def change(content: bytearray, local: int, central: int, _end: int) -> None:
            _set(content, central + 8, flags, 2)
            _set(content, local + 6, flags, 2)

        assert "encrypted or of unknown size" in refusal(changed_directory(tmp_path / "x", change))

    @pytest.mark.parametrize(
        ("field", "value", "width"),
        [
            (16, 0, 4),  # CRC-32
            (20, 10, 4),  # packed
            (20, 0xFFFFFFFF, 4),  # a 64-bit size elsewhere
            (24, 0xFFFFFFFF, 4),
            (24, 1, 4),
            (28, 0, 2),  # length of the name
            (28, 60000, 2),
            (30, 20, 2),  # extra field
            (34, 1, 2),  # disk
            (42, 0, 4),  # offset: the first member again
            (42, 0xFFFFFFFF, 4),
        ],
    )
    def test_entries(self, field: int, value: int, width: int, tmp_path: Path) -> None:
        refusal(
            changed_directory(tmp_path / "x", lambda c, _local, central, _end: _set(c, central + field, value, width))
        )

    @pytest.mark.parametrize(
        ("field", "value", "width"),
        [(4, 1, 2), (8, 1, 2), (8, 0xFFFF, 2), (10, 3, 2), (12, 0, 4), (12, 0xFFFFFFFF, 4), (16, 0, 4), (20, 0, 2)],
    )
    def test_the_end(self, field: int, value: int, width: int, tmp_path: Path) -> None:
        refusal(changed_directory(tmp_path / "x", lambda c, _local, _central, end: _set(c, end + field, value, width)))

    def test_something_between(self, tmp_path: Path) -> None:
        def insert(content: bytearray, _local: int, _central: int, end: int) -> None:
            first = content.index(b"PK\1\2")
            _set(content, end + 16, first + 7, 4)
            content[first:first] = b"hidden!"

        assert "between its members" in refusal(changed_directory(tmp_path / "x", insert))

    def test_lzma_that_is_none(self, tmp_path: Path) -> None:
        def spoil(content: bytearray, local: int, _central: int, _end: int) -> None:
            content[local + 35 : local + 60] = bytes(25)

        assert "'a.npy'" in refusal(changed_directory(tmp_path / "x", spoil))


def _set(content: bytearray, at: int, value: int, width: int) -> None:
    content[at : at + width] = value.to_bytes(width, "little")


def test_millions_of_texts(tmp_path: Path) -> None:
    """Each takes two bytes of the file and sixty of memory."""
    length = 3 << 20
    arrays = {"texts": np.full(2 * length, 97, np.uint8), "texts.ends": np.full(length, 2, np.uint8)}
    meta = forged.meta_of(arrays, facts={})
    meta["arrays"]["texts.ends"].update(dtype="<i8", codec="ascending")
    path = forged.forge_arrays(tmp_path / "x", arrays, meta)
    script = READ.replace("read_archive(", "load_facts(").replace(
        "try:", "from pagewalk.storage.codec import load_facts\ntry:", 1
    )
    done = limited(script, str(path))
    assert done.returncode == 0, done.stderr
    assert "texts and single numbers or more" in done.stdout
