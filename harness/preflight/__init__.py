"""What a disk image made elsewhere will do on Xen, told before a host is asked.

Nothing is mounted, nothing needs root and nothing is run: partition tables, file systems, kernels
and initramfs are read as files.
"""
