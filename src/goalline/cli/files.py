"""Files that commands are given: their content, and the secrets in them."""

import sys
from codecs import BOM_UTF8
from pathlib import Path

from goalline.cli.console import fail


def content(file: str, option: str | None = None) -> bytes:
    """Return what stands in a file, - being standard input, or end the command and name the option, if there is one."""
    try:
        return (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()).removeprefix(BOM_UTF8)
    except OSError as error:
        fail(": ".join([*filter(None, [option]), f"{file} cannot be read", str(error.strerror)]))


def secret(file: str | None, option: str = "--secret-file") -> str | None:
    """Return the secret in a file, None without one, or end the command and name the option."""
    if file is None:
        return None
    try:
        return content(file, option).decode().strip()
    except UnicodeDecodeError:
        fail(f"{option}: {file} is not UTF-8 text")
