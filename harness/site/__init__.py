"""Pages about flights: one static site, or the same pages served while flights run."""
