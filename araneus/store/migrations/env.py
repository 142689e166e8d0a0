"""Alembic's entry: runs the steps on the connection that `store.upgrade` passes, in its transaction."""

from alembic import context

from araneus.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
