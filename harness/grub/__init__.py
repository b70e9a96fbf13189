"""Configurations of GRUB, read for what they mean to a Xen boot, and what is wrong with them."""
