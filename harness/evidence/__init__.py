"""Evidence of a failure: what the host can tell of it, taken before anything is removed."""
