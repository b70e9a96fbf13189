"""Flights on simulated hosts."""
