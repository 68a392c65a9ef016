"""Contacts in the database: profile, export, deactivation, erasure."""
