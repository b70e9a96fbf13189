"""Lab mode: flights queued in PostgreSQL, and workers on any controller that run their jobs."""
