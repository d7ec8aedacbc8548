"""The report and its page of errors in a real browser: clicks, keys, colours, print, and that nothing is loaded."""

import io
import wave
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from report_inputs import make_inputs
from report_page import report

from browser.chromium import Chromium
from emofuse.report.outputs import figure_names

pytestmark = pytest.mark.browser
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
TABLE = "document.querySelector('#headline-table table')"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{name: path} of a made-up run's pages, beside clips that can be played."""
    made = make_inputs(tmp_path_factory.mktemp("made up"), turns_per_session=40, modalities=("text", "audio", "video"))
    sound, picture = _sound(), _picture()
    for path in made.clips["audio"].rglob("*.*"):
        path.write_bytes(sound if path.suffix == ".wav" else picture)
    page = made.root / "run/report.html"
    for name in figure_names(made.modalities):
        figure = made.root / f"run/figures/{name}.svg"
        figure.parent.mkdir(exist_ok=True)
        figure.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    report(made, page)
    return {"report": page, "errors": page.with_name("errors.html")}


def _sound():
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(3200))
    return data.getvalue()


def _picture():
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return data.getvalue()


@pytest.fixture(scope="module")
def browser():
    with Chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def page(browser, pages):
    return browser.open(pages["report"])


def column(page, number, table=TABLE):
    """The texts of a column of a table without shared heads."""
    return page.evaluate(f"[...{table}.tBodies[0].rows].map(row => row.cells[{number}].textContent.trim())")


def test_nothing_is_loaded_and_nothing_fails(browser, pages):
    for name, path in pages.items():
        opened = browser.open(path)
        assert opened.faults() == []
        asked = [url for url in opened.requests() if not url.startswith("data:")]
        assert asked == [path.as_uri()], name


def test_a_column_sorts_by_click_and_by_key(page):
    heads = page.evaluate(f"[...{TABLE}.tHead.querySelectorAll('th[scope=col]')].map(th => th.textContent.trim())")
    head = f"{TABLE}.tHead.querySelectorAll('th[scope=col]')[{heads.index('WA')}]"
    original = column(page, heads.index("WA"))
    values = [float(text.split()[0]) for text in original]
    assert values != sorted(values) and values != sorted(values, reverse=True)
    ways = []
    for sort in ({"reverse": True}, {}):
        page.point(f"{head}.querySelector('button')", click=True)
        ways.append(page.evaluate(f"{head}.getAttribute('aria-sort')"))
        assert [float(text.split()[0]) for text in column(page, heads.index("WA"))] == sorted(values, **sort)
    assert ways == ["descending", "ascending"]
    page.evaluate(f"{head}.querySelector('button').focus()")
    page.press("Enter", "\r")
    assert column(page, heads.index("WA")) == original and page.evaluate(f"{head}.getAttribute('aria-sort')") is None


def test_rows_that_share_a_head_sort_with_it(page):
    of = "[...document.querySelectorAll('table.sortable')].find(t => t.tBodies[0].querySelector('th[rowspan]'))"
    page.evaluate(f"window.shared = {of}")
    table = "shared"
    rows_as_they_are = f"[...{table}.tBodies[0].rows].map(row => row.outerHTML)"
    before = page.evaluate(rows_as_they_are)
    heads = page.evaluate(f"[...{table}.tBodies[0].rows].map(row => [row.cells.length, row.cells[0].rowSpan])")
    assert len({cells for cells, _ in heads}) == 2 and max(span for _, span in heads) > 1
    page.point(f"{table}.tHead.querySelectorAll('button')[3]", click=True)
    rows = page.evaluate(
        f"[...{table}.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    )
    assert len({len(row) for row in rows}) == 1 and len({tuple(row) for row in rows}) == len(rows) == len(heads)
    for _ in range(2):
        page.point(f"{table}.tHead.querySelectorAll('button')[3]", click=True)
    assert page.evaluate(rows_as_they_are) == before


def test_equal_cells_stay_in_order_and_missing_ones_come_last(browser, pages):
    page = browser.open(pages["report"])
    made = """(() => { const table = document.querySelectorAll("table.sortable")[0].cloneNode(true);
      table.tHead.innerHTML = '<tr><th scope="col">a</th><th class="n" scope="col">b</th></tr>';
      const cells = [["x10", "2.0"], ["x9", "–"], ["y", "1,000 ± 3"], ["z", "2.0"], ["w", "< 0.001 [0, 1]"], ["v", "0.001"]];
      table.tBodies[0].innerHTML = cells.map(([a, b]) => `<tr><th>${a}</th><td>${b.replace("<", "&lt;")}</td></tr>`).join("");
      document.querySelector("main").prepend(table); sortable(table); window.made = table; })()"""
    page.evaluate(made)
    for number, ways in ((1, ("y x10 z v w x9", "w v x10 z y x9")), (0, ("v w x9 x10 y z", "z y x10 x9 w v"))):
        for expected in ways:
            page.point(f"made.tHead.querySelectorAll('button')[{number}]", click=True)
            assert column(page, 0, "made") == expected.split()


def test_a_cell_of_the_confusion_matrix_shows_its_turns(page):
    seen = "[...document.querySelectorAll('#told > p')].filter(p => p.checkVisibility()).map(p => p.textContent)"
    listed = page.evaluate("document.querySelector('#told a').closest('p').id")
    page.point(f"document.querySelector('[data-cell={listed}]')")
    shown = page.evaluate(seen)
    assert len(shown) == 1 and " called " in shown[0] and "The surest: Ses0" in shown[0]
    assert page.evaluate("document.querySelector('td.pointed').dataset.cell") == listed
    # By keys: to the right is nothing more, below is the next true class.
    page.evaluate("document.querySelector('[data-cell=ang-called-sad]').focus()")
    page.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.cell") == "ang-called-sad"
    page.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.cell") == "hap-called-sad"
    assert [text.split(",")[0].split(" of ")[1] for text in page.evaluate(seen)] == ["happiness"]
    assert page.evaluate("document.querySelectorAll('.confusion td[tabindex=\"0\"]').length") == 1


def test_the_dark_scheme_is_dark(browser, pages):
    back = "getComputedStyle(document.body).backgroundColor"
    assert browser.open(pages["report"]).evaluate(back) == "rgb(255, 255, 255)"
    assert browser.open(pages["report"], "dark").evaluate(back) == "rgb(21, 24, 28)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "errors"])
def test_text_stands_out(browser, pages, name, scheme):
    contrast = browser.open(pages[name], scheme).evaluate(CONTRAST)
    assert contrast["found"] == [] and contrast["seen"] > 100


def test_print_has_no_contents_and_cuts_nothing_off(browser, pages):
    # A4 across, less its margins: 273 mm at 96 dots an inch.
    page = browser.open(pages["report"], media="print", width=1032)
    folded = "document.querySelectorAll('details:not([open])').length"
    many = page.evaluate(folded)
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.folded = {folded}; }})")
    page.call("Page.printToPDF")
    assert page.evaluate("window.folded") == 0 and page.evaluate(folded) == many > 0
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    wide = "[...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right > 1032)"
    assert page.evaluate(f"{wide}.map(t => t.textContent.trim().slice(0, 60))") == []


def test_clips_can_be_played(browser, pages):
    page = browser.open(pages["errors"])
    loaded = page.evaluate(
        """Promise.all([...document.querySelectorAll("audio, video")].map((clip) => new Promise((done) => {
          clip.onloadedmetadata = () => done([clip.localName, clip.duration > 0]);
          clip.onerror = () => done([clip.localName, clip.error.message]);
          clip.preload = "metadata";
          clip.load();
        })))"""
    )
    assert {name for name, _ in loaded} == {"audio", "video"} and all(ok is True for _, ok in loaded), loaded
    assert page.faults() == []


@pytest.mark.parametrize("name", ["report", "errors"])
def test_who_cannot_see_finds_the_way(browser, pages, name):
    page = browser.open(pages[name])
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.localName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    page.press("Tab")
    assert page.evaluate("document.activeElement.hash") == "#main"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    nameless = "[...document.querySelectorAll('table')].filter(t => !t.caption && !t.ariaLabel)"
    assert page.evaluate(f"{nameless}.length") == 0
    assert page.evaluate("document.querySelectorAll('th:not([scope])').length") == 0
    assert page.evaluate("document.querySelectorAll('main').length") == 1


def test_without_script_all_can_be_read(browser, pages, tmp_path):
    """With the script gone from the page, nothing is hidden."""
    html = pages["report"].read_text(encoding="utf-8")
    page = tmp_path / "report.html"
    page.write_text(html.split("<script>")[0] + html.split("</script>")[1], encoding="utf-8")
    opened = browser.open(page)
    hidden = "[...document.querySelectorAll('#told > p, tbody tr')].filter(e => !e.closest('details') && !e.checkVisibility())"
    assert opened.evaluate(f"{hidden}.length") == 0
    assert opened.evaluate("document.querySelectorAll('thead button').length") == 0
