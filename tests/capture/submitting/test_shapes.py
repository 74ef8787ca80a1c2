"""Submits as browsers, PHP, form plugins and curl send them: nothing is lost without a word about it."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from capture.forms import BOUNDARY, FormOf, custom, messages
from capture.public import Public

ADDRESS = ("emailAddress", "ann@example.com")


def colours(public: Public) -> tuple[FormOf, str]:
    """A form with a field of several options, and the field's name."""
    name = custom(public.company, "Colours", "checkbox", options=["Red", "Green", "Dark blue"])
    return FormOf(public, name), name


@pytest.mark.parametrize(
    ("pairs", "stored"),
    [
        ([("f[]", "Red"), ("f[]", "Green")], "Red,Green"),
        ([("f[0]", "Red"), ("f[1]", "Green")], "Red,Green"),
        ([("f[a]", "Red"), ("f[b]", "Green")], "Red,Green"),
        ([("f[Red]", "1"), ("f[Green]", "on"), ("f[Dark blue]", "0")], "Red,Green"),
        ([("f[Red]", "Red"), ("f[Green]", "Green"), ("f[Dark blue]", "0")], "Red,Green"),
        ([("f", "Red, Green")], "Red,Green"),
        ([("f", "red ,dark BLUE,")], "Red,Dark blue"),
        ([("f", "Red"), ("f", "Green"), ("f", "Red")], "Red,Green"),
        ([("fields[f][0]", "Red"), ("fields[f][1]", "Green")], "Red,Green"),
        ([("Colours[]", "Red"), ("Colours[]", "Green")], "Red,Green"),
    ],
)
def test_every_way_to_send_several_options_stores_them_all(
    public: Public, pairs: list[tuple[str, str]], stored: str
) -> None:
    form, name = colours(public)
    sent = form.post(ADDRESS, *((re.sub(r"\bf\b", name, key), value) for key, value in pairs), token=None)
    assert sent.status == 303, messages(sent)
    assert form.lead()[name] == stored


@pytest.mark.parametrize(
    ("options", "pairs", "stored"),
    [
        (["K\u00f6ln", "Rome"], [("f[]", "Ko\u0308ln"), ("f[]", "rome")], "K\u00f6ln,Rome"),
        (["K\u00f6ln", "Rome"], [("f[Ko\u0308ln]", "1")], "K\u00f6ln"),
        (["K\u00f6ln", "Rome"], [("f[Ko\u0308ln]", "K\u00f6ln")], "K\u00f6ln"),
        (["Ko\u0308ln", "Rome"], [("f", "K\u00d6LN, Rome")], "Ko\u0308ln,Rome"),
        (["Gr\u00f6\u00dfe", "Rome"], [("f", "GRO\u0308SSE")], "Gr\u00f6\u00dfe"),
        (["k\u00f6ln", "K\u00f6ln"], [("f", "Ko\u0308ln")], "K\u00f6ln"),  # the options differ in case
    ],
)
def test_an_option_is_taken_in_every_spelling_and_stored_as_the_field_has_it(
    public: Public, options: list[str], pairs: list[tuple[str, str]], stored: str
) -> None:
    name = custom(public.company, "Towns", "checkbox", options=options)
    form = FormOf(public, name)
    sent = form.post(ADDRESS, *((re.sub(r"\bf\b", name, key), value) for key, value in pairs), token=None)
    assert sent.status == 303, messages(sent)
    assert form.lead()[name] == stored


def test_an_option_that_the_field_does_not_have_is_refused_with_the_name_of_the_field(public: Public) -> None:
    form, name = colours(public)
    page = form.post(ADDRESS, (name, "Red, Pink"), token=None)
    assert page.status == 422
    assert name in messages(page)
    assert form.leads() == []


def test_a_field_of_one_value_keeps_its_other_values_on_the_timeline(public: Public) -> None:
    form = FormOf(public, "firstName")
    assert form.post(ADDRESS, ("firstName", "Ann"), ("firstName", ""), ("firstName", "Anna")).status == 303
    assert form.lead()["firstName"] == "Anna"
    assert form.submits()[0]["data"]["inputs"] == {"firstName": "Ann"}


def test_a_hidden_zero_before_a_ticked_box_is_no_second_value(public: Public) -> None:
    box = custom(public.company, "Call me", "boolean")
    form = FormOf(public, box)
    assert form.post(ADDRESS, (box, "0"), (box, "1")).status == 303
    assert form.lead()[box] == "1"
    assert "inputs" not in form.submits()[0]["data"]


@pytest.mark.parametrize("ending", ["", "[]", "[0]", "[a]"])
def test_all_files_of_a_field_are_stored(public: Public, ending: str) -> None:
    cv = custom(public.company, "CV", "upload")
    form = FormOf(public, cv)
    sent = form.files(ADDRESS, (cv + ending, ("a.txt", b"A")), (cv + ending, ("b.txt", b"B")))
    assert sent.status == 303
    first, second = str(form.lead()[cv]).split(",")
    assert (public.ask(first).body, public.ask(second).body) == (b"A", b"B")
    assert form.submits()[0]["data"]["files"] == {cv: ["a.txt", "b.txt"]}


def test_files_that_do_not_fit_into_their_field_are_refused_with_its_name(public: Public) -> None:
    cv = custom(public.company, "CV", "upload", dataLength=100)
    form = FormOf(public, cv)
    page = form.files(ADDRESS, *((cv, (f"{number}.txt", b"x")) for number in range(3)))
    assert page.status == 422
    assert cv in messages(page)
    assert form.leads() == []


def test_a_file_without_a_field_is_named_on_the_timeline(public: Public) -> None:
    form = FormOf(public, "firstName")
    parts = [("your-file", ("cv.pdf", b"x")), ("firstName", ("a.txt", b"Ann"))]
    large = ("scan[]", ("scan.tif", b"x" * (5 * 1024 * 1024 + 1)))
    assert form.files(ADDRESS, *parts, large).status == 303
    assert form.submits()[0]["data"]["dropped"] == {
        "your-file": "the file cv.pdf: the form has no field for it",
        "firstName": "the file a.txt: the form has no field for it",
        "scan[]": "a file of more than 5 MB",
    }


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("", b"M%FCller", "Müller"),
        ("", b"M\xfcller", "Müller"),
        ("", b"M%C3%BCller", "Müller"),
        ("", "Müller".encode(), "Müller"),
        ("", b"%80+5", "€ 5"),
        ("", b"M%C3%BCll%C3", "Müll\ufffd"),
        ("; charset=UTF-8", b"M%FCller", "Müller"),
        ("; charset=iso-8859-1", b"M%FCller", "Müller"),
        ('; charset="ISO-8859-1"', b"%93M%FCller%94", "“Müller”"),
        ("; charset=windows-1252", b"%80", "€"),
        ("; charset=iso-8859-15", b"%A4", "€"),
        ("; charset=iso-8859-2", b"%A3%F3d%BC", "Łódź"),
        ("; charset=windows-1251", b"%CC%E8%F0", "Мир"),
        ("; charset=koi8-r", b"%ED%C9%D2", "Мир"),
        ("; charset=Shift_JIS", b"%93%FA%96%7B", "日本"),
        ("; charset=gbk", b"%D6%D0%B9%FA", "中国"),
        ("; charset=big5", b"%A4%A4%B0%EA", "中國"),
        ("; charset=euc-kr", b"%C7%D1%B1%DB", "한글"),
    ],
)
def test_text_is_read_in_the_charset_in_which_it_was_sent(public: Public, kind: str, value: bytes, stored: str) -> None:
    form = FormOf(public, "firstName")
    sent = form.raw(b"email=ann@example.com&first_name=" + value, kind=f"application/x-www-form-urlencoded{kind}")
    assert sent.status == 303
    assert form.lead()["firstName"] == stored
    assert form.submits()[0]["data"].get("dropped") == (
        {"first_name": "bytes that are no text: each is replaced by \ufffd"} if "\ufffd" in stored else None
    )


def test_the_charset_that_the_browser_writes_into_the_form_counts(public: Public) -> None:
    form = FormOf(public, "firstName")
    body = b"_charset_=iso-8859-2&email=ann@example.com&first_name=%A3%F3d%BC"
    assert form.raw(body).status == 303
    assert form.lead()["firstName"] == "Łódź"
    assert "inputs" not in form.submits()[0]["data"]


def test_multipart_is_read_in_its_charset_too_and_so_are_names_of_files(public: Public) -> None:
    cv = custom(public.company, "CV", "upload")
    form = FormOf(public, "firstName", cv)
    disposition = "\r\nContent-Disposition: form-data; name="
    body = (
        f'--x{disposition}"email"\r\n\r\nann@example.com\r\n--x{disposition}"firstName"\r\n\r\nMüller\r\n'
        f'--x{disposition}"{cv}"; filename="Müller.txt"\r\n\r\nfile\r\n--x--\r\n'
    )
    for coding, label in (("utf-8", ""), ("latin-1", ""), ("latin-1", "; charset=iso-8859-1")):
        assert form.raw(body.encode(coding), kind=f"multipart/form-data; boundary=x{label}").status == 303
        assert form.lead()["firstName"] == "Müller"
        assert form.submits()[-1]["data"]["files"] == {cv: "Müller.txt"}


def test_the_boundary_can_stand_in_quotes(public: Public) -> None:
    form = FormOf(public)
    body = b'--a b"c\r\nContent-Disposition: form-data; name="email"\r\n\r\nann@example.com\r\n--a b"c--\r\n'
    assert form.raw(body, kind='multipart/form-data; charset=utf-8; boundary="a b\\"c"').status == 303


@pytest.mark.parametrize("charset", ["idna", "punycode", "utf-16", "utf-7", "rot13", "hex", "zlib", "unicode_escape"])
def test_charsets_that_no_browser_sends_are_refused(public: Public, charset: str) -> None:
    form = FormOf(public)
    assert form.raw(b"email=a@example.com", kind=f"application/x-www-form-urlencoded; charset={charset}").status == 415
    assert form.raw(b"x", kind=f"multipart/form-data; boundary={BOUNDARY}; charset={charset}").status == 415
    form.raw(f"email=a@example.com&_charset_={charset}".encode())
    assert form.lead()["emailAddress"] == "a@example.com"


PLUGINS: dict[str, list[tuple[str, str]]] = {
    "Contact Form 7": [
        ("_wpcf7", "6"), ("your-name", "Ann Example"), ("your-email", "ann@example.com"), ("tel-123", "030 1"),
        ("your-message", "Hello"),
    ],
    "Elementor": [
        ("post_id", "12"), ("form_fields[name]", "Ann Example"), ("form_fields[email]", "ann@example.com"),
        ("form_fields[phone]", "030 1"), ("form_fields[message]", "Hello"),
    ],
    "Elementor's webhook": [
        ("fields[name][id]", "name"), ("fields[name][value]", "Ann Example"),
        ("fields[email][value]", "ann@example.com"), ("fields[phone][value]", "030 1"),
        ("fields[message][value]", "Hello"),
    ],
    "Webflow": [("Name-2", "Ann Example"), ("Email-2", "ann@example.com"), ("Phone-Number", "030 1"),
                ("Message", "Hello")],
    "HTML autocomplete": [("given-name", "Ann"), ("family-name", "Example"), ("email", "ann@example.com"),
                          ("tel", "030 1"), ("comment", "Hello")],
    "Fluent Forms": [("names[first_name]", "Ann"), ("names[last_name]", "Example"), ("email", "ann@example.com"),
                     ("phone", "030 1"), ("message", "Hello")],
    "Forminator": [("name-1-first-name", "Ann"), ("name-1-last-name", "Example"), ("email-1", "ann@example.com"),
                   ("phone-1", "030 1"), ("textarea-1", "Hello")],
    "Divi": [("et_pb_contact_name_0", "Ann Example"), ("et_pb_contact_email_0", "ann@example.com"),
             ("et_pb_contact_phone_0", "030 1"), ("et_pb_contact_message_0", "Hello")],
    "Jetpack": [("g3-name", "Ann Example"), ("g3-email", "ann@example.com"), ("g3-phone", "030 1"),
                ("g3-message", "Hello")],
    "Jotform": [("q3_name[first]", "Ann"), ("q3_name[last]", "Example"), ("q4_email", "ann@example.com"),
                ("q5_phoneNumber[full]", "030 1"), ("q6_message", "Hello")],
    "German": [("Vorname", "Ann"), ("Nachname", "Example"), ("E-Mail", "ann@example.com"), ("Telefon", "030 1"),
               ("Nachricht", "Hello")],
    "French": [("Prénom", "Ann"), ("Nom de famille", "Example"), ("Courriel", "ann@example.com"),
               ("Téléphone", "030 1"), ("Message", "Hello")],
    "Rails": [("contact[full_name]", "Ann Example"), ("contact[email_address]", "ann@example.com"),
              ("contact[phone]", "030 1"), ("contact[message]", "Hello")],
    "Mailchimp": [("FNAME", "Ann"), ("LNAME", "Example"), ("EMAIL", "ann@example.com"), ("PHONE", "030 1"),
                  ("mce-MESSAGE", "Hello")],
}  # fmt: skip


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_names_that_form_plugins_and_page_builders_send_are_understood(public: Public, plugin: str) -> None:
    form = FormOf(public, "firstName", "lastName", "phoneNumber", "description")

    sent = form.raw(urlencode(PLUGINS[plugin]).encode())

    assert sent.status == 303, messages(sent)
    lead = form.lead()
    found = [lead[name] for name in ("emailAddress", "firstName", "lastName", "phoneNumber", "description")]
    assert found == ["ann@example.com", "Ann", "Example", "030 1", "Hello"]


NUMBERED: dict[str, list[tuple[str, str]]] = {
    "Gravity Forms": [("input_1.3", "Ann"), ("input_1.6", "Example"), ("input_2", "ann@example.com"),
                      ("input_3", "Hi")],
    "WPForms": [("wpforms[fields][3]", "Example Ltd"), ("wpforms[fields][1]", "ann@example.com"),
                ("wpforms[fields][2]", "Hi")],
    "Ninja Forms": [("fields[1][value]", "Ann"), ("fields[2][value]", "ann@example.com"), ("fields[3][value]", "Hi")],
}  # fmt: skip


@pytest.mark.parametrize("plugin", NUMBERED)
def test_the_only_address_is_found_in_numbered_inputs_and_the_others_are_kept(public: Public, plugin: str) -> None:
    form = FormOf(public, "firstName")
    assert form.raw(urlencode(NUMBERED[plugin]).encode()).status == 303
    assert form.lead()["emailAddress"] == "ann@example.com"
    others = {name: value for name, value in NUMBERED[plugin] if value != "ann@example.com"}
    assert form.submits()[0]["data"]["inputs"] == others


@pytest.mark.parametrize(
    ("pairs", "address"),
    [
        ([("email", "ann@example.com"), ("friend[email]", "ben@example.com")], "ann@example.com"),
        ([("friend[email]", "ben@example.com"), ("email", "ann@example.com")], "ann@example.com"),
        ([("form[email]", "ben@example.com"), ("email", "ann@example.com")], "ann@example.com"),
        ([("email", ""), ("your-email", "ann@example.com")], "ann@example.com"),
    ],
)
def test_the_input_that_names_a_field_best_is_taken(public: Public, pairs: list[tuple[str, str]], address: str) -> None:
    form = FormOf(public)
    assert form.post(*pairs, token=None).status == 303
    assert form.lead()["emailAddress"] == address


@pytest.mark.parametrize(
    "pairs",
    [
        [("address", "Line 1"), ("address-2", "Line 2")],
        [("address-2", "Line 2"), ("address-1", "Line 1")],
        [("address_1[address_line_2]", "Line 2"), ("address_1[address_line_1]", "Line 1")],
        [("address_1[address_line_1]", "Line 1"), ("address_1[address_line_2]", "Line 2")],
    ],
)
def test_the_first_line_of_an_address_is_the_street(public: Public, pairs: list[tuple[str, str]]) -> None:
    form = FormOf(public, "street")
    assert form.post(ADDRESS, *pairs).status == 303
    assert form.lead()["street"] == "Line 1"
    assert list(form.submits()[0]["data"]["inputs"].values()) == ["Line 2"]


@pytest.mark.parametrize(
    "pairs",
    [
        [("friend_email", "ben@example.com")],
        [("friend[email]", "ben@example.com")],
        [("a", "ann@example.com"), ("b", "ben@example.com")],
        [("email", ""), ("input_2", "ann@example.com")],
    ],
)
def test_no_address_is_guessed_where_it_can_be_another_person_s(public: Public, pairs: list[tuple[str, str]]) -> None:
    form = FormOf(public)
    page = form.post(*pairs, token=None)
    assert page.status == 422
    assert "emailAddress" in messages(page)


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        (["firstName", "lastName"], "Ann Example", ("Ann", "Example")),
        (["firstName", "lastName"], " Ludwig  van Beethoven ", ("Ludwig", "van Beethoven")),
        (["firstName", "lastName"], "Example, Ann Marie", ("Ann Marie", "Example")),
        (["firstName", "lastName"], "Ann", ("Ann", None)),
        (["lastName"], "Ann Example", (None, "Ann Example")),
        (["firstName"], "Ann Example", ("Ann Example", None)),
        ([], "Ann Example", (None, None)),
    ],
)
def test_a_whole_name_is_split_for_the_fields_of_the_form(
    public: Public, fields: list[str], name: str, expected: tuple[str | None, str | None]
) -> None:
    form = FormOf(public, *fields)
    assert form.post(ADDRESS, ("your-name", name)).status == 303
    lead = form.lead()
    assert (lead["firstName"], lead["lastName"]) == expected
    assert form.submits()[0]["data"].get("inputs") == (None if fields else {"your-name": name})


def test_a_whole_name_replaces_no_first_name_that_was_sent(public: Public) -> None:
    form = FormOf(public, "firstName", "lastName")
    assert form.post(ADDRESS, ("name", "A. Example"), ("first_name", "Ann")).status == 303
    assert (form.lead()["firstName"], form.lead()["lastName"]) == ("Ann", None)
    assert form.submits()[0]["data"]["inputs"] == {"name": "A. Example"}


@pytest.mark.parametrize("name", ["username", "event[name]", "company[name]", "product_name", "form-name", "site_url"])
def test_names_of_other_things_are_not_the_person_s(public: Public, name: str) -> None:
    form = FormOf(public, "firstName", "lastName", "website")
    assert form.post(ADDRESS, (name, "X Y")).status == 303
    lead = form.lead()
    assert (lead["firstName"], lead["lastName"], lead["website"]) == (None, None, None)
    assert form.submits()[0]["data"]["inputs"] == {name: "X Y"}


def test_every_input_that_was_not_understood_is_kept_within_bounds(public: Public) -> None:
    form = FormOf(public)
    pairs = [("subject", "Prices"), ("colour[]", "red"), ("colour[]", "blue"), ("empty", " "), ("long", "x" * 5_000)]
    assert form.post(ADDRESS, *pairs, *((f"many{number}", "y" * 100) for number in range(100))).status == 303

    data: dict[str, Any] = form.submits()[0]["data"]
    assert data["inputs"]["subject"] == "Prices"
    assert data["inputs"]["colour[]"] == ["red", "blue"]
    assert data["inputs"]["long"] == "x" * 1_000
    assert sum(1 if isinstance(value, str) else len(value) for value in data["inputs"].values()) == 50
    assert data["dropped"]["long"] == "the last 4,000 of 5,000 characters"
    assert data["dropped"]["many60"] == "the timeline keeps 50 inputs that the form does not ask for"
    assert len(data["dropped"]) <= 50


def test_secrets_are_named_and_not_kept(public: Public) -> None:
    form = FormOf(public)
    pairs = [("password", "hunter2"), ("user[Password]", "hunter2"), ("cc-number", "4111"),
             ("g-recaptcha-response", "hunter2")]  # fmt: skip
    assert form.post(ADDRESS, *pairs).status == 303
    data = form.submits()[0]["data"]
    assert "inputs" not in data
    assert set(data["dropped"]) == {name for name, _ in pairs}
    assert "hunter2" not in str(data)


def test_the_user_who_is_notified_reads_the_inputs_that_were_not_understood(public: Public) -> None:
    (user,) = public.company.call("getUserProfiles")
    form = FormOf(public, notifyUserID=user["id"])
    assert form.post(ADDRESS, ("your-subject", "Prices")).status == 303
    (task,) = public.company.call("getTasks")
    assert task["description"] == "emailAddress: ann@example.com\nyour-subject: Prices"


SITE = "https://www.example.com"


@pytest.mark.parametrize(
    ("pairs", "referer", "page"),
    [
        ([], f"{SITE}/contact?a=b", f"{SITE}/contact?a=b"),
        ([("_page", f"{SITE}/contact")], f"{SITE}/", f"{SITE}/contact"),
        ([("_page", "/contact?a=b")], f"{SITE}/", f"{SITE}/contact?a=b"),
        ([("_wp_http_referer", "/contact/")], f"{SITE}/", f"{SITE}/contact/"),
        ([("page_url", f"{SITE}/contact")], "", f"{SITE}/contact"),
        ([("_page", "")], f"{SITE}/", f"{SITE}/"),
        ([("_page", "/contact")], "", None),
        ([("_page", "//evil.example/x")], f"{SITE}/", None),
        ([("_page", "/\\evil.example")], f"{SITE}/", f"{SITE}/\\evil.example"),
        ([("_page", "/contact")], "javascript:alert(1)", None),
        ([("_page", "/contact")], "https://[", None),
    ],
)
def test_the_page_of_a_plain_form_keeps_its_path(
    public: Public, pairs: list[tuple[str, str]], referer: str, page: str | None
) -> None:
    form = FormOf(public)
    body = urlencode([ADDRESS, *pairs]).encode()
    assert form.raw(body, headers={"Referer": referer}).status == 303
    assert form.submits()[0]["data"].get("page") == page
