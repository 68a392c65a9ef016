"""The colours of the pages, as far as something depends on telling them apart."""

import re

import pytest

from goalline.api.pages import frame

SHEET = (frame._STATIC / "goalline.css").read_text(encoding="utf-8")
LIGHT, DARK = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in SHEET.split("}", 2)[:2])


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("part", ["achieved", "partial", "not-achieved", "no-verdict"])
@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_every_part_of_a_bar_stands_out_from_the_card_it_lies_on(colours: dict[str, str], part: str) -> None:
    darker, lighter = sorted((luminance(colours[part]), luminance(colours["surface"])))
    assert (lighter + 0.05) / (darker + 0.05) >= 3
    assert f".bar.{part.replace('-', '_')}" in SHEET
    assert f"{{ fill: var(--{part}); }}" in SHEET
