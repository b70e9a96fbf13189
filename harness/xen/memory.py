"""How much of the hypervisor's memory a domain takes: its own, and what Xen needs for it.

As libxl reckons before it makes a domain (libxl__domain_need_memory_calculate in libxl_mem.c, and
libxl_get_required_shadow_memory): xl asks dom0 for what is missing to that sum, or refuses.
"""

from __future__ import annotations

import re

from harness.units import Size
from harness.xen.config import DomainType

MIB = 1 << 20
_PAGE = 4 << 10
_STEP = 2 * MIB
_EXTRA = {DomainType.PV: 1 * MIB, DomainType.PVH: 2 * MIB, DomainType.HVM: 2 * MIB}
"""LIBXL_PV_EXTRA_MEMORY and LIBXL_HVM_EXTRA_MEMORY of libxl_internal.h."""
_DOM0_MEM = re.compile(r"(?:^| )dom0_mem=\S*\d")
_ON, _OFF = ("on", "1"), ("off", "0")


def paging_memory(memory: Size, vcpus: int) -> int:
    """What libxl sets aside for the page tables that Xen keeps of a domain, in bytes.

    256 pages for each vCPU, a page for each MiB to map it, and another to shadow it
    (libxl__get_required_paging_memory in later versions). It is for shadow paging; with nested
    paging, and for PV, less is used.
    """
    return _PAGE * (256 * vcpus + 2 * memory.mib)


def overhead(kind: DomainType, memory: Size, vcpus: int) -> int:
    """What a domain takes beside the memory that its guest is given, in bytes."""
    whole = memory + paging_memory(memory, vcpus) + _EXTRA[kind]
    return -(-whole // _STEP) * _STEP - memory


def balloons(setting: str, commandline: str) -> bool:
    """Whether xl takes memory from dom0 for a new domain, when too little is free.

    *setting* is ``autoballoon`` of xl.conf(5), empty if it is not set; *commandline* is the
    hypervisor's. With ``auto``, the default, it does unless ``dom0_mem`` is given there
    (auto_autoballoon in tools/xl/xl.c).
    """
    word = setting.strip().strip("\"'").lower()
    if word in _ON or word in _OFF:
        return word in _ON
    return not _DOM0_MEM.search(commandline)
