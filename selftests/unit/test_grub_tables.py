"""Tables of option names: how documents are read, and what the committed tables hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.grub import documents
from harness.grub.table import SOURCES
from harness.grub.tables import DATA, table, tables

# The markup of xen-doc's xen-command-line.html, as pandoc writes it; without its sentences.
XEN_PAGE = """\
<h2 data-number="1.1" id="types-of-parameter"><span
class="header-section-number">1.1</span> Types of parameter</h2>
<h3 data-number="1.1.1" id="boolean-boolean"><span
class="header-section-number">1.1.1</span> Boolean
(<code>&lt;boolean&gt;</code>)</h3>
<h2 data-number="1.2" id="parameter-details"><span
class="header-section-number">1.2</span> Parameter details</h2>
<h3 data-number="1.2.1" id="acpi"><span
class="header-section-number">1.2.1</span> acpi</h3>
<blockquote>
<p><code>= force | ht | noirq | &lt;boolean&gt; | verbose</code></p>
</blockquote>
<h3 data-number="1.2.2" id="availmem"><span
class="header-section-number">1.2.2</span> availmem</h3>
<blockquote>
<p><code>= &lt;size&gt;</code></p>
</blockquote>
<blockquote>
<p>Default: <code>0</code> (none)</p>
</blockquote>
<h3 data-number="1.2.3" id="argo"><span
class="header-section-number">1.2.3</span> argo</h3>
<pre><code>= List of [ &lt;bool&gt;, mac-permissive=&lt;bool&gt; ]</code></pre>
<h3 data-number="1.2.25" id="com1-x86"><span
class="header-section-number">1.2.25</span> com1 (x86)</h3>
<h3 data-number="1.2.26" id="com2-x86"><span
class="header-section-number">1.2.26</span> com2 (x86)</h3>
<blockquote>
<p><code>= &lt;baud&gt;[/&lt;base-baud&gt;]</code></p>
</blockquote>
<h3 data-number="1.2.28" id="console"><span
class="header-section-number">1.2.28</span> console</h3>
<blockquote>
<p><code>= List of [ vga | com1[H,L] | com2[H,L] | pv | none ]</code></p>
</blockquote>
<h3 data-number="1.2.30" id="console_to_ring"><span
class="header-section-number">1.2.30</span> console_to_ring</h3>
<blockquote>
<p><code>= &lt;boolean&gt;</code></p>
</blockquote>
<h3 data-number="1.2.70" id="dom0_max_vcpus"><span
class="header-section-number">1.2.70</span> dom0_max_vcpus</h3>
<p>Either:</p>
<blockquote>
<p><code>= &lt;integer&gt;</code>.</p>
</blockquote>
<p>Or:</p>
<blockquote>
<p><code>= &lt;min&gt;-&lt;max&gt;</code> where ...</p>
</blockquote>
<h3 data-number="1.2.71" id="dom0_mem-arm"><span
class="header-section-number">1.2.71</span> dom0_mem (ARM)</h3>
<blockquote>
<p><code>= &lt;size&gt;</code></p>
</blockquote>
<h3 data-number="1.2.72" id="dom0_mem-x86"><span
class="header-section-number">1.2.72</span> dom0_mem (x86)</h3>
<blockquote>
<p><code>= List of ( min:&lt;sz&gt; | max:&lt;sz&gt; | &lt;sz&gt; )</code></p>
</blockquote>
<h3 data-number="1.2.113" id="ivrs_hpethpet-amd"><span
class="header-section-number">1.2.113</span>
ivrs_hpet[<code>&lt;hpet&gt;</code>] (AMD)</h3>
<blockquote>
<p><code>=[&lt;seg&gt;:]&lt;bus&gt;:&lt;device&gt;.&lt;func&gt;</code></p>
</blockquote>
<h3 data-number="1.2.129" id="noapic-x86"><span
class="header-section-number">1.2.129</span> noapic (x86)</h3>
<p>...</p>
<h3 data-number="1.2.168" id="sched"><span
class="header-section-number">1.2.168</span> sched</h3>
<blockquote>
<p><code>= credit | credit2 | null</code></p>
</blockquote>
"""

LINUX_TEXT = """\
\tacpi=\t\t[HW,ACPI,X86,ARM64]
\t\t\tFormat: { force | on | off }
\t\t\toff -- ...
\tacpi_apic_instance=\t[ACPI, IOAPIC]
\t\t\tFormat: <int>
\tcrashkernel=size[KMG][@offset[KMG]]
\tftrace_dump_on_oops[=2(orig_cpu) |
\tlapic\t\t[X86-32,APIC] ...
\t(loop.max_loop)\t[KNL]
\tnomodeset\t...
\t\tnot_an_option=
        workqueue.default_affinity_scope=
\txen.fifo_events=\t[XEN]
\t\t\tFormat: <bool>
"""

MAN_PAGE = r"""
.TP
\fB\fI init= "<path to real init>"
the \fBroot\fR fs is \fInot\fR an item
.PP
\fBrd\&.driver\&.pre=\fR\fI<drivername>\fR[,\fI<drivername>\fR,\&...]
\fI\-b\fR, \fIrd\&.emergency\fR, \fIemergency\fR, \fIS\fR, \fI1\fR
.IP "\fBlive\-media\fR=\fIDEVICE\fI" 4
"""


def test_xen_options_and_their_kinds() -> None:
    assert documents.xen_options(XEN_PAGE) == {
        "acpi": "string",
        "availmem": "size",
        "argo": "string",
        "com1": "string",
        "com2": "string",
        "console": "list vga com1 com2 pv none",
        "console_to_ring": "boolean",
        "dom0_max_vcpus": "string",
        "dom0_mem": "string",
        "ivrs_hpet": "string",
        "noapic": "flag",
        "sched": "choice credit credit2 null",
    }


def test_linux_options() -> None:
    assert documents.linux_options(LINUX_TEXT) == {
        "acpi": "string",
        "acpi_apic_instance": "integer",
        "crashkernel": "string",
        "ftrace_dump_on_oops": "string",
        "lapic": "flag",
        "nomodeset": "flag",
        "workqueue.default_affinity_scope": "string",
        "xen.fifo_events": "boolean",
    }


def test_words_of_man_pages() -> None:
    assert documents.man_options(MAN_PAGE) == {
        "init": "string",
        "rd.driver.pre": "string",
        "-b": "flag",
        "rd.emergency": "flag",
        "emergency": "flag",
        "S": "flag",
        "1": "flag",
        "live-media": "flag",
    }


def test_commands_and_variables() -> None:
    assert set(
        documents.grub_commands("*serial: serial\nmodule2: multiboot2\n.: configfile\n")
    ) == {
        "serial",
        "module2",
        ".",
    }
    assert set(documents.legacy_commands(" -- Command: title name ...\n\n -- Command: boot\n")) == {
        "title",
        "boot",
    }
    script = 'if [ "x${GRUB_DEVICE}" ]; then export GRUB_CMDLINE_XEN; XEN_OVERRIDE_GRUB_DEFAULT=1'
    assert set(documents.grub_variables(script)) == {
        "GRUB_DEVICE",
        "GRUB_CMDLINE_XEN",
        "XEN_OVERRIDE_GRUB_DEFAULT",
    }


@pytest.mark.parametrize("text", ["", "<h3>", "no such document", "NUL \0"])
def test_another_document_gives_no_names(text: str) -> None:
    readers = {source.reader for source in SOURCES}
    assert [reader(text) for reader in readers] == [{}] * len(readers)


def test_every_source_has_its_table_and_every_table_its_source() -> None:
    assert {path.stem for path in DATA.glob("*")} == {source.name for source in SOURCES}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_table_says_where_it_is_from(source: object) -> None:
    name = getattr(source, "name", "")
    found = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    assert found["package"] == getattr(source, "package", "")
    assert found["version"].startswith(getattr(source, "version", "-"))
    assert Path(found["file"]).match(getattr(source, "pattern", ""))
    assert list(found["options"]) == sorted(found["options"])


def test_what_the_users_of_xen_write_is_in_the_tables() -> None:
    for one in tables("xen"):
        wanted = "com1 console console_to_ring dom0_mem guest_loglvl loglvl sync_console iommu"
        assert set(wanted.split()) <= set(one.options), one.title
    for one in tables("linux"):
        wanted = "console earlyprintk nomodeset quiet ro root rw init acpi"
        assert set(wanted.split()) <= set(one.options), one.title
    assert {"multiboot2", "module2", "serial", "search"} <= set(table("grub-pc").options)
    assert {"kernel", "module", "title", "root"} <= set(table("grub-legacy").options)
    assert "GRUB_CMDLINE_XEN_DEFAULT" in table("grub-xen").options


def test_versions_are_in_order_and_differ() -> None:
    old, new = tables("xen")
    assert (old.title, new.title) == ("Xen 4.17", "Xen 4.20")
    assert "gdb" in old.options
    assert "gdb" not in new.options
    assert "dom0-llc-colors" in set(new.options) - set(old.options)
