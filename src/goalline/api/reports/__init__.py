"""Reports over HTTP: rates, and what the track counts."""
