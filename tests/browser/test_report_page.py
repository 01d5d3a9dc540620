"""The report in a real browser: nothing in the console, every section filled, nothing wider than the window."""

import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from webdriver import Browser, browser, missing_programs

from fl.report import write_report

SAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "fl" / "report_sample.py"))
SECTIONS = ["outcome", "learning", "clients", "cost", "receipt", "ledger", "plan", "audit"]
RUNS: dict[str, dict[str, Any]] = {
    "cheaters": {},
    "honest": {"cheats": {}, "drop": 0.0},
    "going-on": {"rounds": 8, "done": 3, "idle": frozenset({1})},
    "not-begun": {"done": 0},
    "large": {"clients": 60, "rounds": 40},
}
# texts and boxes whose own right edge lies beyond the window, unless a box around them scrolls
OVERFLOWING = """
const scrolls = e => e && (getComputedStyle(e).overflowX === 'auto' || scrolls(e.parentElement));
return [...document.querySelectorAll('main *, nav, footer *')]
  .filter(e => !e.classList.contains('unseen') && !scrolls(e.parentElement))
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 120));
"""
# contrast of every visible text with what lies behind it, by the WCAG formula
LOWEST_CONTRAST = """
const rgba = c => c.match(/[\\d.]+/g).map(Number);
const lum = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                   return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor);
                      if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
let worst = [99, ''];
for (const e of document.querySelectorAll('body *')) {
  if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || e.localName === 'title') continue;
  const style = getComputedStyle(e);
  const ink = lum(rgba(e.namespaceURI.endsWith('svg') ? style.fill : style.color).slice(0, 3)), paper = lum(behind(e));
  const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 120)];
}
return worst;
"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if missing := missing_programs():
        reason = f"not installed: {', '.join(missing)} (Debian: chromium, chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with browser(tmp_path_factory.mktemp("chromium") / "profile") as session:
        yield session


@pytest.fixture(scope="module", params=RUNS)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / request.param
    return write_report(SAMPLE["write_sample"](directory, **RUNS[request.param]))


@pytest.mark.parametrize("width", [1440, 768, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_reads_well(chromium: Browser, page: Path, tmp_path: Path, width: int, scheme: str) -> None:
    chromium.resize(width, 900, scheme)
    chromium.open(page.as_uri())

    assert chromium.console() == []
    assert chromium.evaluate("return performance.getEntriesByType('resource').map(e => e.name)") == []
    assert chromium.evaluate("return [...document.querySelectorAll('main > *')].map(e => e.id)") == SECTIONS
    for key in SECTIONS:
        text = chromium.evaluate(f"return document.getElementById('{key}').innerText")
        assert len(text.split()) >= 8, f"section {key} says only {text!r}"

    assert chromium.evaluate(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    assert chromium.evaluate(OVERFLOWING) == []
    contrast, where = chromium.evaluate(LOWEST_CONTRAST)
    assert contrast >= 4.5, where
    heights = chromium.evaluate(
        "return [...document.querySelectorAll('svg text')].map(e => e.getBoundingClientRect().height)"
    )
    assert min(heights, default=10) >= 10, "the letters of a chart are too small to read"

    picture = tmp_path / f"{page.parent.name}-{width}-{scheme}.png"
    chromium.screenshot(picture)
    assert picture.stat().st_size > 20_000


def test_both_schemes_are_styled(chromium: Browser, page: Path) -> None:
    papers = []
    for scheme in ("light", "dark"):
        chromium.resize(1440, 900, scheme)
        chromium.open(page.as_uri())
        papers.append(chromium.evaluate("return getComputedStyle(document.body).backgroundColor"))
    assert papers[0] != papers[1]


@pytest.mark.parametrize("place", ["detail", "reason"])
def test_markup_in_a_record_stays_text(chromium: Browser, tmp_path: Path, place: str) -> None:
    attack = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
    directory = SAMPLE["write_sample"](tmp_path / "run")
    SAMPLE["change"](directory / "rounds" / "0000.json", "record", "clients", 2, place, value=attack)
    chromium.open(write_report(directory).as_uri())
    assert chromium.evaluate("return document.title") == "digits: training report"
    assert chromium.evaluate("return document.scripts.length + document.images.length") == 0
    assert attack in chromium.evaluate("return document.body.textContent")
    assert chromium.console() == []


def test_policy_stops_what_escaping_would_miss(chromium: Browser, tmp_path: Path) -> None:
    page = write_report(SAMPLE["write_sample"](tmp_path / "run"))
    injected = "<script>document.title = 'taken'</script><p id='styled' style='color: red'></p></body>"
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", injected), encoding="utf-8")
    chromium.open(page.as_uri())
    assert chromium.evaluate("return document.title") == "digits: training report"
    assert (
        chromium.evaluate("return getComputedStyle(document.getElementById('styled')).color")
        != "rgb(255, 0, 0)"
    )
    assert len(chromium.console()) == 2
