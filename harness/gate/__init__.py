"""The gate: whether a flight may ship, by a policy, with reasons."""
