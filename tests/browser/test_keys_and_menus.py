"""Keys and menus of the pages in a real browser."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser.scripted import MENU, Opened, box, chord, focused, press, run, swap

pytestmark = pytest.mark.timeout(120)

KEYS = """
<button id="new" data-key="c">New</button><a id="leads" data-key="g l" href="#leads">Leads</a>
<button id="list" data-key="l">Add to list</button><button id="gone" data-key="c" hidden>Hidden</button>
<input id="find" data-key="/" value="berlin"><button id="before" data-key="[">Before</button>
<button id="send" data-key="$mod+Enter">Send</button>
<dialog id="sheet" data-key="?"><p>Keys</p><button id="inside" data-key="x">Inside</button></dialog>
<dialog id="palette" data-key="$mod+k"><input id="query"></dialog>"""


def test_keys_use_the_elements_that_name_them(opened: Opened) -> None:
    browser = opened(KEYS)
    press(browser, "c", "g", "l", "l", "[", "z")
    assert run(browser, "return used") == ["new", "leads", "list", "before"]
    press(browser, "/")
    assert focused(browser) == "find"
    assert run(browser, "return getSelection().toString()") == "berlin"
    press(browser, "cl?")
    assert run(browser, "return document.getElementById('find').value") == "cl?"
    chord(browser, Keys.ENTER)
    assert run(browser, "return used")[4:] == ["send"], "keys with Ctrl work in fields, too"


def test_keys_open_dialogs_and_reach_nothing_behind_them(opened: Opened) -> None:
    browser = opened(KEYS)
    press(browser, "?")
    assert run(browser, "return document.getElementById('sheet').matches(':modal')")
    press(browser, "c", "x")
    chord(browser, "k")
    assert run(browser, "return used") == ["inside"]
    assert not run(browser, "return document.getElementById('palette').open")
    press(browser, Keys.ESCAPE)
    chord(browser, "k")
    assert focused(browser) == "query"
    chord(browser, "k")
    assert not run(browser, "return document.getElementById('palette').open")


def test_keys_of_an_input_method_and_single_keys_that_are_off_do_nothing(opened: Opened) -> None:
    browser = opened(KEYS, html='data-keys="off"')
    press(browser, "c", "l")
    chord(browser, "k")
    assert run(browser, "return used") == []
    assert run(browser, "return document.getElementById('palette').open")
    press(browser, Keys.ESCAPE)
    run(browser, "delete document.documentElement.dataset.keys")
    event = "new KeyboardEvent('keydown', {key: 'c', code: 'KeyC', isComposing: arguments[0], bubbles: true})"
    run(browser, f"document.body.dispatchEvent({event})", True)
    assert run(browser, "return used") == []
    run(browser, f"document.body.dispatchEvent({event})", False)
    assert run(browser, "return used") == ["new"]


def test_elements_that_htmx_brings_have_their_keys(opened: Opened) -> None:
    browser = opened(KEYS)
    swap(browser, '<button id="later" data-key="v">Later</button>', "body", "beforeend")
    press(browser, "v")
    assert run(browser, "return used") == ["later"]


WITHOUT_ANCHORS = """
  CSS.supports = () => false
  Object.assign(document.getElementById("menu").style, {positionArea: "none", margin: "0"})"""


@pytest.mark.parametrize("anchors", [True, False])
def test_a_menu_opens_beside_its_button_and_follows_the_keys(opened: Opened, anchors: bool) -> None:
    browser = opened(MENU)
    if not anchors:
        run(browser, WITHOUT_ANCHORS)
    more = browser.find_element(By.ID, "more")
    more.send_keys(Keys.ENTER)
    assert focused(browser) == "copy"
    assert more.get_attribute("aria-expanded") == "true"
    button, menu = box(browser, "more"), box(browser, "menu")
    assert (menu["left"], menu["top"]) == (
        pytest.approx(button["left"], abs=1),
        pytest.approx(button["bottom"] + 4, abs=1),
    )
    for key, name in [
        (Keys.DOWN, "merge"), (Keys.DOWN, "erase"), (Keys.DOWN, "copy"), (Keys.UP, "erase"), (Keys.HOME, "copy"),
        (Keys.END, "erase"), ("c", "copy"), ("M", "merge"), ("q", "merge"),
    ]:  # fmt: skip
        press(browser, key)
        assert focused(browser) == name, key
    press(browser, Keys.ESCAPE)
    assert (focused(browser), more.get_attribute("aria-expanded")) == ("more", "false")
    press(browser, Keys.ENTER)
    press(browser, Keys.DOWN, Keys.ENTER)
    assert run(browser, "return used").count("merge") == 1
    assert not run(browser, "return document.getElementById('menu').matches(':popover-open')")
    assert focused(browser) == "more"


def test_a_menu_at_the_edge_stays_in_the_window(opened: Opened) -> None:
    style = '<style nonce="n0">#more { position: fixed; inset: auto 4px 4px auto; }</style>'
    browser = opened(MENU, head=style)
    for anchors in (True, False):
        if not anchors:
            run(browser, WITHOUT_ANCHORS)
        browser.find_element(By.ID, "more").click()
        menu = box(browser, "menu")
        assert menu["left"] >= 0
        assert menu["right"] <= run(browser, "return innerWidth")
        assert menu["top"] >= 0
        assert menu["bottom"] <= box(browser, "more")["top"]
        press(browser, Keys.ESCAPE)
