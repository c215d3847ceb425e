"""The report as people meet it: opened from a file in a browser, with mouse, keyboard, phone and paper."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from harness.record.schema import FinalRead, Trailer
from harness.report.index import write_index
from tests.judge.story import healthy
from tests.report.rendering import HOSTILE, Rendered, eventful, rendered

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PATIENCE_MS = 60_000
SERIOUS = ("serious", "critical")
READY = "document.documentElement.dataset.ready === 'yes'"


@dataclass
class Opened:
    """A page, and what went wrong in it."""

    page: Page
    troubles: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return rendered(eventful(), tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def opened(browser: Browser, run: Rendered) -> Iterator[Opened]:
    """The report with every chart drawn; any console message, error or request is kept."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, color_scheme="light")
    yield _open(context.new_page(), run.folder.path / "report.html")
    context.close()


def _open(page: Page, path: Path) -> Opened:
    made = Opened(page)
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", lambda message: made.troubles.append(message.text))
    page.on("pageerror", lambda error: made.troubles.append(str(error)))
    page.on("request", lambda request: made.requests.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function(READY)
    return made


def test_it_opens_offline_without_a_word_in_the_console(opened: Opened, run: Rendered) -> None:
    """Every chart is drawn, nothing is fetched but the file itself, the console stays empty."""
    drawn = opened.page.locator("[data-chart][data-drawn=yes] svg")
    assert drawn.count() == len(run.payload["charts"])
    assert opened.troubles == []
    assert [url for url in opened.requests if not url.startswith(("blob:", "data:"))] == [
        (run.folder.path / "report.html").as_uri()
    ]


@pytest.mark.parametrize("what", ["a healthy run", "a killed run", "nothing at all"])
def test_a_run_without_faults_or_without_anything_opens_as_quietly(browser: Browser, tmp_path: Path, what: str) -> None:
    """Charts without data, or zoomed to where there is none, leave no word in the console either."""
    story = healthy(3)
    if what != "a healthy run":
        story.end = None
        story.drop(Trailer, FinalRead)
    if what == "nothing at all":
        story.rows.clear()
    run = rendered(story, tmp_path / "run")
    context = browser.new_context()
    made = _open(context.new_page(), run.folder.path / "report.html")
    made.page.evaluate("location.hash = 'at=1.2'")
    expect(made.page.locator("#window")).to_have_text("0.0 to 1.0 s" if what == "nothing at all" else "0.2 to 2.2 s")
    assert made.troubles == []
    context.close()


def test_its_figures_are_those_of_the_verdict_file(opened: Opened, run: Rendered) -> None:
    """Read from the living page, exactly."""
    written = json.loads(run.folder.verdict_file.read_text())["findings"]
    values = {(item["name"], item["phase"]): item["value"] for item in written}
    shown = opened.page.eval_on_selector_all(
        "data[data-finding]", "all => all.map(item => [item.dataset.finding, item.dataset.phase, item.value])"
    )
    assert len(shown) > 100
    for name, phase, value in shown:
        expected = values[name, phase]
        assert (float(value) if value else None) == expected, name


def test_hovering_a_request_tells_its_tenant(opened: Opened) -> None:
    """A tooltip with the details of the point under the mouse."""
    opened.page.locator("#figure-latency-response").scroll_into_view_if_needed()
    opened.page.locator("#figure-latency-response .mark-symbol.role-mark path").first.hover()
    tooltip = opened.page.locator("#vg-tooltip-element")
    expect(tooltip).to_be_visible()
    assert "t000" in tooltip.inner_text()
    assert "response, ms" in tooltip.inner_text()


def test_a_click_on_a_request_opens_its_tenant(opened: Opened) -> None:
    """From the point to its requests, connections, faults, log lines."""
    opened.page.locator("#figure-latency-response").scroll_into_view_if_needed()
    opened.page.locator("#figure-latency-response .mark-symbol.role-mark path").first.click()
    expect(opened.page.locator("#tenant h3")).to_contain_text("t000")


def test_drilling_down_shows_hostile_text_as_text(opened: Opened) -> None:
    """The tenant whose backend answered with a script: found by search, shown letter by letter, nothing run."""
    page = opened.page
    page.locator("#find").fill("t00003")
    expect(page.locator("#tenant-list tbody tr")).to_have_count(1)
    page.get_by_role("button", name="t00003").press("Enter")
    tenant = page.locator("#tenant")
    expect(tenant.locator("h3")).to_have_text("t00003")
    assert HOSTILE[:25] in tenant.inner_text()
    assert "backend.log:2" in tenant.inner_text()
    assert tenant.locator("script").count() == 0
    assert opened.troubles == []


def test_one_window_of_time_for_all_charts(opened: Opened) -> None:
    """Dragging over one time axis zooms every chart; a button brings the whole load back."""
    page = opened.page
    window = page.locator("#window")
    whole = window.inner_text()
    plot = page.locator("#figure-glance .plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    y = box["y"] + 40
    page.mouse.move(box["x"] + box["width"] * 0.4, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=6)
    page.mouse.move(box["x"] + box["width"] * 0.6, y, steps=6)
    page.mouse.up()
    expect(window).not_to_have_text(whole)
    zoomed = window.inner_text()
    assert _width(zoomed) < _width(whole) / 2
    page.get_by_role("button", name="Load", exact=True).click()
    expect(window).to_have_text(whole)


def test_a_moment_of_the_evidence_is_shown_in_the_charts(opened: Opened) -> None:
    """A link with a moment moves the window there."""
    opened.page.evaluate("location.hash = 'at=6.5'")
    expect(opened.page.locator("#window")).to_have_text("5.5 to 7.5 s")


def test_the_step_can_be_chosen(opened: Opened) -> None:
    """Each step's latency has the same charts."""
    page = opened.page
    points = page.locator("#figure-latency-response .mark-symbol.role-mark path[fill]")
    page.locator("#step").select_option("read")
    page.wait_for_function(
        "document.querySelector('#figure-latency-response .mark-symbol.role-mark path[fill=\"var(--unknown)\"]')"
    )
    assert points.count() == 12


def test_the_theme_switches_and_is_kept(opened: Opened) -> None:
    """One button between light and dark, charts included; the choice outlives a reload."""
    page = opened.page
    ground = "getComputedStyle(document.body).backgroundColor"
    axis = "getComputedStyle(document.querySelector('#figure-glance .role-axis-label text')).fill"
    before = page.evaluate(f"[{ground}, {axis}]")
    page.locator("#theme").click()
    after = page.evaluate(f"[{ground}, {axis}]")
    assert before[0] != after[0]
    assert before[1] != after[1]
    page.reload()
    assert page.evaluate(ground) == after[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_read_by_everyone(browser: Browser, run: Rendered, theme: str) -> None:
    """No serious finding of axe in either theme, with a tenant open."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    made = _open(context.new_page(), run.folder.path / "report.html")
    made.page.evaluate("location.hash = 'tenant=t00003'")
    expect(made.page.locator("#tenant h3")).to_have_text("t00003")
    assert _axe(made.page) == []
    context.close()


def test_the_keyboard_reaches_what_the_mouse_reaches(opened: Opened) -> None:
    """From the top: a way past the header, the theme, the sections, the window of the charts."""
    page = opened.page
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    assert reached[0] == "To the report"
    assert {"theme", "Connections", "Whole run", "+"} <= set(reached)


def test_it_fits_on_a_phone(browser: Browser, run: Rendered, shots: Path | None) -> None:
    """Nothing sticks out at the side; verdict, leaks, registrations and trust are on the first screen."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    made = _open(context.new_page(), run.folder.path / "report.html")
    assert made.page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(made.page.locator("#verdict")).to_be_in_viewport()
    for tile in ("leaks", "registrations", "trust"):
        expect(made.page.locator(f"#tile-{tile} .big")).to_be_in_viewport()
    if shots:
        made.page.screenshot(path=shots / "phone.png", full_page=True)
    context.close()


def test_it_prints_light_without_what_paper_can_not_do(browser: Browser, run: Rendered) -> None:
    """A dark screen makes a white page, without navigation, with every chart."""
    context = browser.new_context(color_scheme="dark")
    made = _open(context.new_page(), run.folder.path / "report.html")
    made.page.emulate_media(media="print")
    assert made.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for screen_only in ("nav", "#theme", "#tenants"):
        expect(made.page.locator(screen_only)).to_be_hidden()
    expect(made.page.locator(".top .run")).to_be_visible()
    assert len(made.page.pdf(format="A4")) > 50_000
    context.close()


def test_without_javascript_everything_but_charts_and_search_is_there(browser: Browser, run: Rendered) -> None:
    """The verdict, the figures and the tables are in the file itself."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((run.folder.path / "report.html").as_uri())
    assert page.locator("data[data-finding=leaks]").first.inner_text() == "0"
    page.locator("#figure-latency-response summary").click()
    expect(page.locator("#figure-latency-response table")).to_be_visible()
    context.close()


def test_the_index_is_readable_too(browser: Browser, run: Rendered) -> None:
    """No serious finding of axe; its link leads to the report."""
    path = write_index(run.folder.path.parent)
    assert path is not None
    context = browser.new_context()
    page = context.new_page()
    page.goto(path.as_uri())
    assert _axe(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    for row in page.locator("#runs tbody tr").all():
        box = row.bounding_box()
        assert box is not None and box["height"] < 120, "words are broken letter by letter"
    page.locator("#runs a").first.click()
    expect(page.locator("#verdict")).to_be_visible()
    context.close()


def _axe(page: Page) -> list[str]:
    """Serious violations, each with the first place."""
    found = Axe().run(page).response["violations"]
    return [f"{item['id']}: {item['nodes'][0]['html'][:200]}" for item in found if item["impact"] in SERIOUS]


def _width(window: str) -> float:
    begin, _, end, _ = window.split()
    return float(end) - float(begin)
