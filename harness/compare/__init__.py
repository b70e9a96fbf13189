"""Two flights side by side: what became of the same jobs, and how long they took."""
