"""Conversations in the database: received, evaluated, judged, listed, found again."""
