"""Run by Alembic: with a connection whose transaction has begun, and which is not ours to end."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    # SQLite can take back DDL, too, whatever Alembic thinks of its driver.
    transactional_ddl=True,
)
context.run_migrations()
