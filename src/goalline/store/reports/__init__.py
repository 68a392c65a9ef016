"""Reports: read from the counts, whole and as series."""
