"""Finds the folders that live at the repository's top level and travel inside the wheel."""

from pathlib import Path


def folder(name: str) -> Path:
    """Return the path of a shipped folder (`prompts`, `fixtures`), installed or in a checkout.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    package = Path(__file__).parent
    for place in (package / name, package.parent.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the folder {name!r} is missing from this installation of goalline; install it again")
