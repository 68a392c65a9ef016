"""The schema's history, applied by `goalline migrate`."""
