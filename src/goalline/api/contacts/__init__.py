"""Contacts over HTTP: their routes, and what these answer."""
