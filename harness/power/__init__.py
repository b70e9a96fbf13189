"""A host's power: seen, and taken away for a moment, by what is outside of the host."""
