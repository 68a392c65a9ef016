"""Lets `python -m goalline` do what `goalline` does."""

from goalline.cli import app

app()
