"""xenflight: a test harness for Xen guest images.

The packages import only those to their left (docs/architecture.md)::

    status errors units wait steps cache progress < flight, remote < storage, xen, console,
        mirror < guest, results < testbox < host < job, report < bench, plugin, cli
"""

__version__ = "0.1.0"
