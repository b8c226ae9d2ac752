"""A new file appears whole or not at all; what the command adds to this is in test_cli_output.py."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from pagewalk.errors import PagewalkError
from pagewalk.storage.newfile import check_new_file, new_file


def test_whole_private_and_named_at_last(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with new_file(str(path)) as out:
        out.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_no_room_names_the_file_and_leaves_nothing(code: int, tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(OSError, match="x") as raised, new_file(str(path)):
        raise OSError(code, os.strerror(code))
    assert (raised.value.errno, raised.value.filename) == (code, str(path))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError) as raised, new_file(str(tmp_path / "x")):
        raise BrokenPipeError(errno.EPIPE, "gone")
    assert raised.value.filename is None
    with pytest.raises(OSError, match="elsewhere") as other, new_file(str(tmp_path / "x")):
        raise OSError(errno.EIO, "broken", "elsewhere")
    assert other.value.filename == "elsewhere"
    assert list(tmp_path.iterdir()) == []


def test_a_long_name(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    with new_file(str(path)) as out:
        out.write(b"1")
    assert path.read_bytes() == b"1"


def test_a_link_a_directory_and_a_fifo_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "link", tmp_path / "fifo", Path(os.devnull)):
        with pytest.raises(PagewalkError, match="not a regular file"):
            check_new_file(str(path), force=True)
    assert not (tmp_path / "target").exists()


def test_the_words_of_the_caller(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(PagewalkError, match=r"x: exists already; force=True replaces it"):
        check_new_file(str(tmp_path / "x"))
    with pytest.raises(PagewalkError, match=r"x: exists already; --force replaces it"):
        check_new_file(str(tmp_path / "x"), how="--force")
