"""The guest's /etc/fstab."""

from __future__ import annotations

ROOT_LABEL = "xenflight-root"
"""Of the root file system. It may be on xvda, xvda1, xvda3, vda3 or sda3."""

_ROOT = f"LABEL={ROOT_LABEL} / ext4 errors=remount-ro 0 1\n"


def fstab(swap_device: str | None = None) -> str:
    """The whole file (fstab(5)); with a *swap_device* it is used, if it is there, at boot."""
    # nofail: a guest whose swap is missing shall say so, and not stop at its boot.
    swap = f"{swap_device} none swap sw,nofail 0 0\n" if swap_device else ""
    return _ROOT + swap
