"""Tests of the pytest plugin, by pytest within pytest."""
