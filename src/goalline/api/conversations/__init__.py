"""Conversations over HTTP: their routes, what these answer, and the list that the dashboard shows as well."""
