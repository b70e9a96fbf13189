"""xenflight: a test harness for Xen guest images.

The packages import only those to their left (docs/architecture.md)::

    status errors units wait steps < flight, remote < storage, xen, console, guest
        < host, testbox < results < report < plugin, cli
"""

__version__ = "0.1.0"
