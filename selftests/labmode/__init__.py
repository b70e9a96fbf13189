"""Lab mode with a real PostgreSQL, real workers, and simulated hosts."""
