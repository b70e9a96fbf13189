"""Flights: from a YAML file to a plan of jobs. Pure functions, but for the loaders."""
