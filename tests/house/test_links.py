"""The pages of the documentation lead to each other, and to what they name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = _LINK.findall(page.read_text("utf-8"))
    places = [((page.parent / path) if path else page, anchor) for path, anchor in links]
    dead = [str(place) for place, anchor in places if not place.exists() or (anchor and anchor not in anchors(place))]
    assert not dead


def test_the_readme_lists_every_page() -> None:
    listed = {path for path, _ in _LINK.findall((ROOT / "README.md").read_text("utf-8"))}
    index = (ROOT / "README.md").read_text("utf-8").partition("\n## More\n")[2]
    assert listed
    assert {page.name for page in PAGES[1:]} == {Path(path).name for path, _ in _LINK.findall(index)} - {"openapi.yaml"}
