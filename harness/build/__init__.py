"""Builders that make a guest's disks on the host itself, and not on the controller."""
