"""JUnit XML of any tool's: what other systems know of a flight."""
