"""The file of a snapshot: small, the same again, and whatever else it is given, one clear line."""

from __future__ import annotations

import json
import os
import resource
import stat
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import forged
from forged import ARRAYS, refusal
from pagewalk.errors import PagewalkError, SnapshotError
from pagewalk.storage import archive
from pagewalk.storage.archive import SCHEMA, read_archive, write_archive
from pagewalk.storage.numbers import TYPES

arrays = st.dictionaries(
    st.from_regex(r"[a-z0-9_]{1,5}(\.[a-z]{1,3})?", fullmatch=True),
    st.sampled_from(TYPES).flatmap(lambda name: hnp.arrays(np.dtype(name), st.integers(0, 30))),
    max_size=4,
)
metas = st.dictionaries(
    st.text(max_size=5).filter(lambda key: key not in ("schema", "codecs", "arrays")),
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.text() | st.floats(allow_nan=False, width=32),
    max_size=3,
).filter(lambda meta: not any(value in (float("inf"), float("-inf")) for value in meta.values()))
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "host.pwz"
    write_archive(str(path), {"host": {"hostname": "db7"}}, ARRAYS)
    return path


class TestIdentity:
    @quick
    @given(metas, arrays)
    def test_what_is_read_is_what_was_written(self, tmp_path: Path, meta: Any, made: Any) -> None:
        path = str(tmp_path / "any.pwz")
        write_archive(path, meta, made, force=True)
        read, found = read_archive(path)
        assert read == {"schema": SCHEMA, **meta}
        assert list(found) == list(made)
        for name, array in made.items():
            assert found[name].dtype == array.dtype.newbyteorder("=")
            assert found[name].tobytes() == array.tobytes()

    def test_numpy_opens_it(self, saved: Path) -> None:
        with np.load(saved, allow_pickle=False) as opened:
            meta = json.loads(opened["meta.json"])
            assert meta["schema"] == SCHEMA
            assert set(opened.files) == {"meta.json", *ARRAYS}
            for name, array in ARRAYS.items():
                stored, said = opened[name], meta["arrays"][name]
                assert stored.dtype.str == said["stored"]
                # As the file itself says of its codecs.
                if said["codec"] == "steps":
                    stored = np.array([-(d + 1) // 2 if d % 2 else d // 2 for d in stored.tolist()])
                found = stored if said["codec"] == "plain" else np.cumsum(stored, dtype=said["dtype"])
                assert (found == array).all()
                assert said["codec"] in meta["codecs"]

    def test_meta_comes_first_and_nothing_is_pickled(self, saved: Path) -> None:
        with zipfile.ZipFile(saved) as opened:
            assert opened.namelist() == ["meta.json", *(f"{name}.npy" for name in ARRAYS)]
            assert opened.testzip() is None

    def test_the_same_facts_make_the_same_file(self, saved: Path, tmp_path: Path) -> None:
        write_archive(str(tmp_path / "again"), {"host": {"hostname": "db7"}}, ARRAYS)
        assert (tmp_path / "again").read_bytes() == saved.read_bytes()

    @pytest.mark.parametrize(
        ("name", "array", "error"),
        [
            ("../x", np.zeros(1), ValueError),
            ("a b", np.zeros(1), ValueError),
            ("x", np.array([{}], object), TypeError),
            ("x", np.zeros((2, 2)), TypeError),
        ],
    )
    def test_what_is_never_written(self, name: str, array: Any, error: type[Exception], tmp_path: Path) -> None:
        with pytest.raises(error):
            write_archive(str(tmp_path / "x"), {}, {name: array})
        assert list(tmp_path.iterdir()) == []

    def test_meta_that_is_too_large_is_never_written(self, tmp_path: Path) -> None:
        with pytest.raises(SnapshotError, match="beside the arrays"):
            write_archive(str(tmp_path / "x"), {"text": "x" * (1 << 20)}, {})
        with pytest.raises(ValueError, match="JSON"):
            write_archive(str(tmp_path / "x"), {"number": float("nan")}, {})
        assert list(tmp_path.iterdir()) == []


class TestSize:
    def test_equal_children_are_kept_once(self, tmp_path: Path) -> None:
        """A prefork server: 64 children that map the same 20,000 scattered frames."""
        pfn = np.random.default_rng(7).choice(1 << 22, 20_000, replace=False)
        size = write_archive(str(tmp_path / "x"), {}, {"pfn": np.tile(pfn, 64)})
        assert size < 4 * len(pfn) + 20_000

    def test_what_is_packed_to_nothing_is_not_taken_for_a_bomb(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        noise = np.random.default_rng(1).integers(0, 1 << 62, 8000)
        size, made = 0, {"a": np.zeros(1 << 20, np.int64), "b": np.zeros(100_000, np.int64), "noise": noise}
        for floor, ratio in ((1000, 256), (1000, 60), (0, 30), (0, 10), (1 << 24, 256)):
            monkeypatch.setattr(archive, "FLOOR", floor)
            monkeypatch.setattr(archive, "RATIO", ratio)
            size = write_archive(str(tmp_path / "x"), {}, made, force=True)
            assert size == (tmp_path / "x").stat().st_size
            read = read_archive(str(tmp_path / "x"))[1]
            assert all((read[name] == array).all() for name, array in made.items())
        # Where there is no need, all is packed.
        assert size < noise.nbytes + 4000


class TestDamage:
    def test_cut_short_anywhere(self, saved: Path) -> None:
        content = saved.read_bytes()
        for length in range(0, len(content), max(len(content) // 100, 1)):
            saved.write_bytes(content[:length])
            message = refusal(saved)
            assert "empty" in message if not length else "no snapshot" in message or "cut short" in message

    def test_a_byte_flipped_anywhere(self, saved: Path) -> None:
        content = saved.read_bytes()
        for at in range(len(content)):
            saved.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
            refusal(saved)

    def test_a_byte_flipped_anywhere_under_a_right_seal(self, saved: Path) -> None:
        """Times and versions in headers mean nothing; all else is told by the checks behind the seal."""
        content, _ = saved.read_bytes(), read_archive(str(saved))
        for at in range(len(content) - archive.SEAL_LENGTH):
            flipped = content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :]
            try:
                found = read_archive(str(forged.resealed(saved, flipped)))[1]
            except SnapshotError:
                continue
            assert {name: array.tobytes() for name, array in found.items()} == {
                name: array.tobytes() for name, array in ARRAYS.items()
            }

    @quick
    @given(st.binary(max_size=300), st.booleans())
    def test_random_bytes(self, tmp_path: Path, content: bytes, sealed: bool) -> None:
        path = tmp_path / "random"
        path.write_bytes(content)
        if sealed:
            forged.resealed(path, content + bytes(archive.SEAL_LENGTH))
        refusal(path)

    @quick
    @given(st.data())
    def test_random_changes_under_a_right_seal(self, tmp_path: Path, data: st.DataObject) -> None:
        path = tmp_path / "changed"
        write_archive(str(path), {}, ARRAYS, force=True)
        content = forged.unsealed(path)
        for _ in range(data.draw(st.integers(1, 5))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        with suppress(SnapshotError):
            read_archive(str(forged.resealed(path, bytes(content))))


class TestOtherFiles:
    def test_none(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError) as raised:
            read_archive(str(tmp_path / "none"))
        assert raised.value.filename == str(tmp_path / "none")

    def test_a_directory(self, tmp_path: Path) -> None:
        assert "a directory" in refusal(tmp_path)

    def test_a_fifo_does_not_hang(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        assert "no regular file" in refusal(tmp_path / "fifo")

    def test_a_device(self) -> None:
        assert "no regular file" in refusal(Path(os.devnull))

    def test_text(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("pagewalk")
        assert "no snapshot" in refusal(tmp_path / "x")

    def test_an_npz(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", a=np.zeros(3))
        assert "did not write it" in refusal(tmp_path / "x.npz")

    @pytest.mark.parametrize(("version", "advice"), [(2, "a newer pagewalk"), (0, "again"), (123456789, "newer")])
    def test_of_another_version(self, version: int, advice: str, tmp_path: Path) -> None:
        schema = f"pagewalk-snapshot/{version}"
        path = forged.forge(tmp_path / "x", [("meta.json", b"{}")], schema=schema)
        assert f"version {version}, this pagewalk reads version 1" in refusal(path)
        assert advice in refusal(path)
        path = forged.forge_arrays(tmp_path / "y", {}, {**forged.meta_of({}), "schema": schema})
        assert f"version {version}, this pagewalk reads version 1" in refusal(path)


class TestWriting:
    def test_private_and_refused(self, saved: Path) -> None:
        assert stat.S_IMODE(saved.stat().st_mode) == 0o600
        before = saved.read_bytes()
        with pytest.raises(PagewalkError, match="exists already; force=True"):
            write_archive(str(saved), {}, {})
        with pytest.raises(PagewalkError, match="exists already; --force"):
            write_archive(str(saved), {}, {}, how="--force")
        assert saved.read_bytes() == before
        write_archive(str(saved), {}, {}, force=True)
        assert saved.read_bytes() != before

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path) -> None:
        arrays = {"a": np.random.default_rng(1).integers(0, 1 << 62, 50_000)}
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
        try:
            with pytest.raises(OSError, match="large") as raised:
                write_archive(str(tmp_path / "x"), {}, arrays)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert raised.value.filename == str(tmp_path / "x")
        assert list(tmp_path.iterdir()) == []

    def test_an_interruption_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_arguments: object) -> str:
            raise KeyboardInterrupt

        monkeypatch.setattr(archive, "_digest", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_archive(str(tmp_path / "x"), {}, ARRAYS)
        assert list(tmp_path.iterdir()) == []
