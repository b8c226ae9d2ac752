"""What a walk could not see of the machine as a whole, as gaps."""

from __future__ import annotations

from pagewalk.accounts import Accounts, Places
from pagewalk.facts import Gap
from pagewalk.ownership import Strangers
from pagewalk.probe import Probe

__all__ = ["account_gaps", "machine_gaps"]


def machine_gaps(strangers: Strangers, device_frames: int, answers: Probe) -> list[Gap]:
    """Return what pagemap and the kpage files do not tell.

    Parameters
    ----------
    strangers : Strangers
        Entries that are neither frames nor swap.
    device_frames : int
        Frames beyond those of the kpage files.
    answers : Probe
        What this kernel tells at all.
    """
    gaps = []
    if strangers.moving:
        gaps.append(Gap(None, f"{strangers.moving} pages", "in migration, poisoned or of a device: no frame is named"))
    if device_frames:
        what = f"{device_frames} frames of device memory"
        gaps.append(Gap(None, what, "the kernel counts no mappings of them: hidden owners cannot be told"))
    if not answers.ksm_known:
        gaps.append(Gap(None, "ksm", "this kernel sets KPF_KSM on every anonymous page"))
    if answers.mapcount != "page":
        gaps.append(Gap(None, "hidden owners of large folios", "the kernel keeps only average mapcounts"))
    return gaps


def account_gaps(places: Places | None, accounts: Accounts | None) -> list[Gap]:
    """Return what could not be read of the kernel's own figures.

    Parameters
    ----------
    places : Places or None
        Where frames are, if that was asked for.
    accounts : Accounts or None
        The kernel's figures, if they were asked for.
    """
    files = [gap for read in (places, accounts) if read is not None for gap in read.gaps]
    gaps = [Gap(None, f"the kernel's figures in {name}", reason) for name, reason in dict.fromkeys(files)]
    if accounts is None or accounts.cgroups is None:
        return gaps
    gaps += [Gap(None, f"cgroups below {path}", reason) for path, reason in accounts.cgroups.tree.gaps]
    gaps += [Gap(None, f"the kernel's figures of cgroup {path}", reason) for path, reason in accounts.cgroups.gaps]
    if accounts.cgroups.unstable:
        what = f"charges of {len(accounts.cgroups.unstable)} cgroups"
        gaps.append(Gap(None, what, "made, removed or renamed while the frames were read"))
    return gaps
