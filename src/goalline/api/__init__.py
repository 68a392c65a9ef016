"""HTTP: the JSON contract under /v1 and the pages; the only folder that imports FastAPI."""
