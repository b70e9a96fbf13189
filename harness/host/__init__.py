"""Xen hosts: reaching one, proving that we still use it, and leaving it clean."""
