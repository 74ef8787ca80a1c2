"""The scripts of the pages in a real browser: what they load, finders, toasts, theme, order, copies."""

import json
import re

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from accessibility import faults
from browser.scripted import ASSETS, FONT, MENU, Opened, chord, focused, press, run, swap
from springhead.pages.assets import BUILT

pytestmark = pytest.mark.timeout(120)


def test_styles_icons_and_the_font_are_loaded_under_the_policy(opened: Opened) -> None:
    icon = ASSETS.icon("search")
    browser = opened(f'<p id="p">Leads</p><svg class="icon" id="i"><use href="{icon}"/></svg>')
    assert run(browser, "return getComputedStyle(document.getElementById('i')).width") == "16px"
    WebDriverWait(browser, 20).until(lambda _: run(browser, "return document.fonts.check('13px \"Inter Variable\"')"))
    loaded = run(
        browser, "return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)"
    )
    assert ASSETS.address(FONT) in loaded
    assert ASSETS.address("inter-latin-ext-wght-normal.woff2") not in loaded
    assert icon.partition("#")[0] in loaded
    assert ASSETS.address("password.js") not in loaded


def test_no_line_moves_when_the_font_arrives(opened: Opened) -> None:
    """Until then, Arial is scaled so that its lines are as high as those of Inter, above and below the baseline."""
    (face,) = re.findall(
        rb"@font-face\{font-family:Inter Fallback;[^}]*\}",
        (BUILT / ASSETS.address("app.css").rpartition("/")[2]).read_bytes(),
    )
    shares = {name: float(share) / 100 for name, share in re.findall(rb"([a-z-]+):([0-9.]+)%", face)}
    browser = opened("<canvas></canvas>")
    measure = """
      const [size, done] = arguments, pen = document.querySelector("canvas").getContext("2d")
      document.fonts.load(`${size}px "Inter Variable"`).then(() => {
        pen.font = `${size}px "Inter Variable"`
        const { fontBoundingBoxAscent, fontBoundingBoxDescent } = pen.measureText("x")
        done([fontBoundingBoxAscent, fontBoundingBoxDescent])
      })"""
    ascent, descent = browser.execute_async_script(measure, 1000)  # type: ignore[no-untyped-call]
    assert 1000 * shares[b"size-adjust"] * shares[b"ascent-override"] == pytest.approx(ascent, abs=1)
    assert 1000 * shares[b"size-adjust"] * shares[b"descent-override"] == pytest.approx(descent, abs=1)
    assert shares[b"line-gap-override"] == 0


def test_a_finder_chooses_from_its_list_without_leaving_its_field(opened: Opened) -> None:
    browser = opened("""<input id="q" data-list="found" aria-label="Find"><ul id="found" role="listbox">
    <li role="option" id="a"><a href="#ada" id="ada">Ada</a></li>
    <li role="option" id="b"><button id="ben">Ben</button></li></ul>""")
    field = browser.find_element(By.ID, "q")
    field.click()
    assert (field.get_attribute("role"), field.get_attribute("aria-activedescendant")) == ("combobox", "a")
    press(browser, Keys.DOWN, Keys.ENTER)
    assert (focused(browser), run(browser, "return used").count("ben")) == ("q", 1)
    swap(browser, '<li role="option" id="c"><a href="#cleo" id="cleo">Cleo</a></li>', "#found")
    assert field.get_attribute("aria-activedescendant") == "c"
    press(browser, Keys.ENTER)
    assert browser.current_url.endswith("#cleo")


def test_a_toast_goes_by_itself_and_its_undo_works_on(opened: Opened) -> None:
    browser = opened('<input id="field"><div id="toasts" aria-live="polite"></div>')
    toast = '<div class="toast" role="status"><span>On the list</span><button data-undo id="{}">Undo</button></div>'
    for name in ("first", "second"):
        swap(browser, toast.format(name), "#toasts", "beforeend")
    shown = "return [...document.querySelectorAll('.toast:not([hidden])')].map((toast) => toast.textContent)"
    assert run(browser, shown) == ["On the listUndo"], "one at a time"
    run(browser, "for (const wait of waits) wait()")
    assert run(browser, shown) == []
    browser.find_element(By.ID, "field").click()
    chord(browser, "z")
    assert "second" not in run(browser, "return used"), "in a field, Ctrl Z belongs to the field"
    run(browser, "document.activeElement.blur()")
    chord(browser, "z")
    assert run(browser, "return used").count("second") == 1


def test_a_toast_stays_while_it_is_used_and_a_failure_stays(opened: Opened) -> None:
    browser = opened('<button id="away">Away</button><div id="toasts" aria-live="polite"></div>')
    swap(browser, '<div class="toast"><span>Saved</span><button data-undo id="undo">Undo</button></div>', "#toasts")
    WebDriverWait(browser, 20).until(lambda _: run(browser, "return waits.length"))
    run(browser, "document.getElementById('undo').focus(); waits.length = 0")
    assert run(browser, "return waits.length") == 0
    run(browser, "document.getElementById('away').focus()")
    WebDriverWait(browser, 20).until(lambda _: run(browser, "return waits.length"))
    run(browser, "waits.length = 0")
    swap(browser, '<div class="toast bad" role="alert"><span>Not saved</span></div>', "#toasts")
    run(browser, "document.getElementById('away').blur()")
    assert run(browser, "return [waits.length, document.querySelector('.toast.bad').checkVisibility()]") == [0, True]


def test_the_theme_changes_at_once_and_is_stored_by_its_form(opened: Opened) -> None:
    browser = opened(
        '<form method="post" action="/theme"><input type="hidden" name="next" value="/leads">'
        '<button id="b" name="theme" value="dark" data-theme-switch>Theme</button></form>',
        head='<meta name="token" content="t0ken">',
        html='data-theme="light"',
    )
    button, colour = browser.find_element(By.ID, "b"), "return getComputedStyle(document.body).backgroundColor"
    light = run(browser, colour)
    button.click()
    assert run(browser, "return document.documentElement.dataset.theme") == "dark"
    assert run(browser, colour) != light
    button.click()
    assert run(browser, colour) == light
    sent = run(browser, "return sent")
    assert [(method, body, headers, redirect) for _, method, body, headers, redirect in sent] == [
        ("POST", f"next=%2Fleads&theme={theme}", {"X-Token": "t0ken"}, "manual") for theme in ("dark", "light")
    ]


def test_requests_that_change_something_carry_the_token(opened: Opened) -> None:
    browser = opened(
        '<button id="get" hx-get="/x">Get</button><button id="post" hx-post="/x">Post</button>'
        '<button id="delete" hx-delete="/x">Delete</button>',
        head='<meta name="token" content="t0ken">',
    )
    for name in ("get", "post", "delete"):
        browser.find_element(By.ID, name).click()
    WebDriverWait(browser, 20).until(lambda _: len(run(browser, "return sent")) == 3)
    tokens = {method: headers.get("X-Token") for _, method, _, headers, _ in run(browser, "return sent")}
    assert tokens == {"GET": None, "POST": "t0ken", "DELETE": "t0ken"}
    assert json.loads(run(browser, "return document.querySelector('meta[name=htmx-config]').content")) == {
        "includeIndicatorCSS": False, "morphIgnore": ["data-htmx-powered", "style"], "extensions": "sse",
    }  # fmt: skip


def test_a_password_can_be_shown_and_caps_lock_is_said(opened: Opened) -> None:
    browser = opened(
        '<input id="password" type="password"><button id="show" type="button" data-show-password="password" hidden>Show'
        '</button><p id="caps" data-caps-lock="password" hidden>Caps Lock is on</p>'
    )
    show = browser.find_element(By.ID, "show")
    WebDriverWait(browser, 20).until(lambda _: show.is_displayed())
    show.click()
    kind = "return document.getElementById('password').type"
    assert (run(browser, kind), show.get_attribute("aria-pressed"), focused(browser)) == ("text", "true", "password")
    show.click()
    assert run(browser, kind) == "password"
    event = "new KeyboardEvent('keydown', {key: 'A', modifierCapsLock: true, bubbles: true})"
    run(browser, f"document.getElementById('password').dispatchEvent({event})")
    assert browser.find_element(By.ID, "caps").is_displayed()
    run(browser, "document.getElementById('password').blur()")
    assert not browser.find_element(By.ID, "caps").is_displayed()


EVERYTHING = f"""
<a class="skip" href="#main">Skip to the page</a>
<main id="main"><h1>Leads</h1>{MENU}
<label class="lbl" for="q">Find</label><input class="input" id="q" data-list="found">
<p class="hint">By name or address</p>
<ul id="found" role="listbox" aria-label="Found"><li class="po" role="option" id="a">Ada <mark>Lov</mark>elace</li></ul>
<p><button class="btn primary">Save <kbd>S</kbd></button> <button class="btn danger solid">Erase</button>
<span class="pill h-blue">Open</span> <span class="pill h-green">Customer</span> <span class="tag">Berlin</span>
<span class="av h-rose" aria-hidden="true">AL</span> <span class="dim">2 h</span></p>
<ul id="order" data-sortable aria-label="Columns"><li tabindex="0">Name</li><li tabindex="0">City</li></ul></main>
<div id="toasts" aria-live="polite"></div>
<dialog class="dlg" id="sheet" data-key="?" aria-labelledby="h"><h2 id="h">Keys</h2>
<button class="btn">Close</button></dialog>"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_the_scripts_open_and_say_is_accessible(opened: Opened, theme: str) -> None:
    browser = opened(EVERYTHING, html=f'data-theme="{theme}"')
    browser.find_element(By.ID, "q").click()
    swap(browser, '<div class="toast"><span>Saved</span><button class="undo" data-undo>Undo</button></div>', "#toasts")
    assert faults(browser) == []
    browser.find_element(By.ID, "more").click()
    assert faults(browser) == []
    press(browser, Keys.ESCAPE, "?")
    assert faults(browser) == []


ORDER = """
<form data-sortable hx-post="/order" hx-trigger="sorted" aria-label="Columns">
<div id="name" tabindex="0"><input type="hidden" name="column" value="name">Name</div>
<div id="city" tabindex="0"><input type="hidden" name="column" value="city">City</div>
<div id="score" tabindex="0"><input type="hidden" name="column" value="score">Score</div></form>
<div data-sortable="horizontal"><button id="left">A</button><button id="right">B</button></div>"""


def test_elements_are_put_in_order_by_mouse_and_by_keys(opened: Opened) -> None:
    browser = opened(ORDER)
    served = "return Object.keys(document.forms[0]).some((key) => key.startsWith('Sortable'))"
    order = "return [...document.querySelectorAll('form > div')].map((element) => element.id)"
    WebDriverWait(browser, 20).until(lambda _: run(browser, served))
    moves = ActionChains(browser, duration=100).click_and_hold(browser.find_element(By.ID, "name"))
    moves.move_by_offset(0, 5).move_to_element_with_offset(browser.find_element(By.ID, "score"), 0, 8).pause(0.1)
    moves.release().perform()
    assert run(browser, order) == ["city", "score", "name"]
    WebDriverWait(browser, 20).until(lambda _: len(run(browser, "return sent")) == 1)

    run(browser, "document.getElementById('name').focus()")
    ActionChains(browser, duration=0).key_down(Keys.ALT).send_keys(Keys.UP, Keys.UP, Keys.UP).key_up(Keys.ALT).perform()
    assert (run(browser, order), focused(browser)) == (["name", "city", "score"], "name")
    WebDriverWait(browser, 20).until(lambda _: len(run(browser, "return sent")) == 3)
    assert run(browser, "return sent.at(-1)[2]") == "column=name&column=city&column=score"

    run(browser, "document.getElementById('left').focus()")
    ActionChains(browser, duration=0).key_down(Keys.ALT).send_keys(Keys.DOWN, Keys.RIGHT).key_up(Keys.ALT).perform()
    assert run(browser, "return document.getElementById('left').previousElementSibling.id") == "right"


COPY = """
<input id="link" value="http://localhost/sign-in/x" data-copy aria-label="Link"><pre id="snippet">let it be</pre>
<button id="link-button" data-copy="link" data-copied="Copied">Copy</button>
<button id="snippet-button" data-copy="snippet">Copy</button><div id="toasts" aria-live="polite"></div>"""


def test_texts_are_copied_or_selected_where_a_page_may_not_copy(opened: Opened) -> None:
    browser = opened(COPY)
    run(browser, "window.copied = []; navigator.clipboard.writeText = async (text) => { copied.push(text) }")
    browser.find_element(By.ID, "link").click()
    assert run(browser, "return getSelection().toString()") == "http://localhost/sign-in/x"
    browser.find_element(By.ID, "link-button").click()
    browser.find_element(By.ID, "snippet-button").click()
    assert run(browser, "return copied") == ["http://localhost/sign-in/x", "let it be"]
    shown = "return [...document.querySelectorAll('.toast')].map((toast) => toast.textContent)"
    WebDriverWait(browser, 20).until(lambda _: run(browser, shown) == ["Copied"])
    run(browser, "navigator.clipboard.writeText = () => Promise.reject(new Error()); getSelection().empty()")
    browser.find_element(By.ID, "snippet-button").click()
    WebDriverWait(browser, 20).until(lambda _: run(browser, "return getSelection().toString()") == "let it be")
