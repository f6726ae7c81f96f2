"""A real Chromium, headless; each page it opens is watched: what it asked for, and what it complained of."""

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
# How long to wait for what has to come, in ms: generous, for the machine is shared.
PATIENCE_MS = 150_000
# Every text that can be seen, with the contrast (WCAG 2) of its colour to the nearest ground that is painted.
CONTRASTS = """
root => {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = color => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = color;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  const texts = document.createTreeWalker(document.querySelector(root), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.data.trim(), element = texts.currentNode.parentElement;
    if (!text || ["TITLE", "title", "STYLE", "style", "SCRIPT"].includes(element.tagName)) continue;
    if (!element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    const style = getComputedStyle(element);
    const ink = rgba(element instanceof SVGElement ? style.fill : style.color);
    const [light, dark] = [luminance(ink), luminance(ground(element))].sort((a, b) => b - a);
    found.push([text, (light + 0.05) / (dark + 0.05)]);
  }
  return found;
}
"""


@dataclass
class Watched:
    """A page under watch."""

    page: "Page"
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def assert_quiet(self) -> None:
        """It asked nothing of anyone but this machine, and had nothing to complain of."""
        assert self.requested
        assert [url for url in self.requested if not _is_here(url)] == []
        assert self.complaints == []

    def assert_readable(self, root: str) -> None:
        """Every text in it stands out from its ground as much as WCAG's level AA asks of small text."""
        contrasts = self.page.evaluate(CONTRASTS, root)
        assert contrasts
        assert [(text, round(contrast, 2)) for text, contrast in contrasts if contrast < 4.5] == []

    def assert_no_wider_than_the_window(self) -> None:
        """There is no scrolling sideways."""
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert self.page.evaluate("document.body.scrollWidth <= window.innerWidth")


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("file", "data", "blob") or parts.hostname == "127.0.0.1"


# Not for the session: while the driver runs, so does its event loop, and asynchronous tests could not have theirs.
@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    """A Chromium with a new and empty profile."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on PATH; `make test` installs it as root, or: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def watch(chromium: "Browser") -> "Iterator[Callable[..., Watched]]":
    """Make pages that are watched; `dark` is what their reader prefers."""
    contexts = []

    def make(*, width: int = 1280, height: int = 900, dark: bool = False) -> Watched:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        watched = Watched(context.new_page())

        def said(message: "ConsoleMessage") -> None:
            if message.type in ("error", "warning"):
                watched.complaints.append(f"{message.text} ({message.location})")

        context.on("request", lambda request: watched.requested.append(request.url))
        context.on("console", said)
        context.on("weberror", lambda error: watched.complaints.append(str(error.error)))
        context.on("requestfailed", lambda request: watched.complaints.append(f"{request.url}: {request.failure}"))
        return watched

    yield make
    for context in contexts:
        context.close()
