"""Facts to a file and back."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from pagewalk.errors import SnapshotError
from pagewalk.facts import Facts
from pagewalk.storage.archive import read_archive, write_archive
from pagewalk.storage.checking import check_facts
from pagewalk.storage.newfile import FORCE
from pagewalk.storage.redaction import redacted
from pagewalk.storage.shredding import join, shred

__all__ = ["load_facts", "save_facts"]


def save_facts(path: str, facts: Facts, force: bool = False, redact: str | None = None, how: str = FORCE) -> int:
    """Write facts to a new file.

    Parameters
    ----------
    path : str
        The file to make; see `newfile.new_file`.
    facts : Facts
        What is to be kept.
    force : bool
        Replace a regular file of that name.
    redact : str, optional
        What is to be left out; see `redaction.redacted`.
    how : str
        What the caller is to give to have a file replaced, for the message.

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
    kept = facts if redact is None else redacted(facts, redact)
    tree, arrays = shred(kept)
    try:
        written_by = f"pagewalk {version('pagewalk')}"
    except PackageNotFoundError:
        written_by = "pagewalk"
    return write_archive(path, {"written_by": written_by, "facts": tree}, arrays, force, how)


def load_facts(path: str) -> Facts:
    """Read facts from a file.

    Parameters
    ----------
    path : str
        The file. It is not trusted.

    Returns
    -------
    Facts
        Those that were saved.

    Raises
    ------
    SnapshotError
        The file is no snapshot, of another version, damaged, or says what cannot be.
    OSError
        It cannot be opened.
    """
    meta, arrays = read_archive(path)
    try:
        facts = join(Facts, meta.get("facts"), arrays)
        check_facts(facts)
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error}") from error
    return facts
