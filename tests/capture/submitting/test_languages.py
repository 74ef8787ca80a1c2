"""Forms speak the language of the visitor, or that of the form, and show the logo of the company."""

import json
import re
import string

import pytest

from capture.forms import FormOf, custom, messages
from capture.public import Public
from springhead.model.capture import form_texts
from springhead.model.capture.form_texts import KEYS, LANGUAGES, negotiate

SEND = {"en": "Send", "de": "Senden", "es": "Enviar", "fr": "Envoyer", "it": "Invia", "nl": "Versturen", "pt": "Enviar"}


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"), ("*", "en"), ("de", "de"), ("de-CH", "de"), ("DE-ch,en;q=0.5", "de"),
        ("ja,en;q=0.9,de;q=0.8", "en"),
        ("ja, nl;q=0.1", "nl"), ("en;q=0.3, fr;q=0.7", "fr"), ("de;q=0, it;q=0.2", "it"), ("pt-BR,pt;q=0.9", "pt"),
        ("zh-Hans-CN,es-419;q=0.5", "es"), ("de;q=x, it", "it"), (",;,,de", "de"), ("q=1", "en"), ("d" * 100_000, "en"),
        ("de," * 50_000, "de"), ("\u0131t", "en"), ("x" * 2_000 + ",de", "en"),
    ],
)  # fmt: skip
def test_the_language_that_the_browser_prefers_is_chosen(accepted: str, language: str) -> None:
    assert negotiate(accepted) == language


def test_every_text_is_there_in_every_language_with_the_same_placeholders() -> None:
    def placeholders(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    for key in KEYS:
        texts = form_texts._TEXTS[key]  # pyright: ignore[reportPrivateUsage]
        assert len(texts) == len(LANGUAGES), key
        assert all(text.strip() for text in texts), key
        assert len({frozenset(placeholders(text)) for text in texts}) == 1, key
    for name, labels in form_texts._LABELS.items():  # pyright: ignore[reportPrivateUsage]
        assert len(labels) == len(LANGUAGES), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_script_errors_and_thanks_are_in_the_language_of_the_visitor(public: Public, language: str) -> None:
    colours = custom(public.company, "Colours", "checkbox", options=["Red"], isRequired=1)
    form = FormOf(public, "firstName", colours)
    asked = {"Accept-Language": f"{language}-XX, en;q=0.1"}
    page = public.ask(form.path, headers=asked)
    text = page.body.decode()
    assert f'<html lang="{language}">' in text
    assert f"<button>{SEND[language]}</button>" in text
    assert f">{form_texts.label(language, 'firstName')}" in text
    assert "accept-language" in page.headers["vary"]
    script = public.ask(f"{form.path}.js", headers=asked)
    assert json.dumps(form_texts.text(language, "not_sent"), ensure_ascii=False) in script.body.decode()
    assert "accept-language" in script.headers["vary"]

    refused = form.raw(f"email=x&_token={form.token()}".encode(), headers=asked)
    assert messages(refused) == {
        "": form_texts.text(language, "check"),
        "emailAddress": form_texts.text(language, "address"),
        colours: form_texts.text(language, "missing_some"),
    }
    assert form_texts.text(language, "thanks") in public.ask(f"{form.path}/thanks", headers=asked).body.decode()
    gone = public.ask("/f/" + "A" * 22, headers=asked)
    assert (gone.status, form_texts.text(language, "not_found") in gone.body.decode()) == (404, True)


def test_the_language_of_the_form_counts_more_than_that_of_the_visitor(public: Public) -> None:
    form = FormOf(public, {"systemName": "firstName", "label": "Name"}, language="fr")
    page = public.ask(form.path, headers={"Accept-Language": "de"}).body.decode()
    assert '<html lang="fr">' in page
    assert ">Envoyer<" in page
    assert '<label for="firstName">Name' in page, "labels of the company stay"
    assert public.company.refusal("createForms", {"name": "x", "fields": [], "language": "xx"}) is not None


def test_the_logo_is_shown_and_no_other_image_can_be(public: Public) -> None:
    form = FormOf(public, logoURL="https://cdn.example.com/a/logo.svg?v=1;2,3")
    for path in (form.path, f"{form.path}/thanks"):
        page = public.ask(path)
        assert '<img class="logo" src="https://cdn.example.com/a/logo.svg?v=1;2,3" alt=""' in page.body.decode()
        policy = page.headers["content-security-policy"]
        assert re.findall(r"img-src [^;]*", policy) == ["img-src https://cdn.example.com"]
    bare = public.ask(FormOf(public).path)
    assert "<img" not in bare.body.decode()
    assert "img-src" not in bare.headers["content-security-policy"]


@pytest.mark.parametrize(
    "address",
    ["http://example.com/a.png", "javascript:alert(1)", "//example.com/a.png", "https://a b/c", "https://", "x",
     "https://user:pw@example.com/a.png", "https://example.com;img-src *", "https://*/a.png",
     "data:image/png;base64,AA"],
)  # fmt: skip
def test_a_logo_that_is_no_https_address_is_refused(public: Public, address: str) -> None:
    new = {"name": "x", "fields": [{"systemName": "emailAddress"}], "logoURL": address}
    assert public.company.refusal("createForms", new) is not None
