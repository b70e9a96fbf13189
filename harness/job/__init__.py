"""The life of a flight's jobs: what is made ready once, one guest from creation to removal."""
