"""The track in the database: its events, what they amount to, and the counts of it."""
