"""A fresh world on each database, for every test that asks for one."""

from tests.store.worlds import migrated_file, migrated_server, postgres_world, sqlite_world, world

__all__ = ["migrated_file", "migrated_server", "postgres_world", "sqlite_world", "world"]
