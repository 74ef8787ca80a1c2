"""docs/forms.md is true: its calls and forms work, and its numbers are those of the code."""

import json
import re
from pathlib import Path
from typing import Any

from capture.forms import URLENCODED
from capture.public import Public
from springhead.capture import form_bodies, forms
from springhead.capture.form_requests import Limit

PAGE = (Path(__file__).parents[2] / "docs" / "forms.md").read_text()
OPEN = {"id", "publicID", "hostedURL", "formAction", "embedCode", "createTimestamp", "updateTimestamp"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_calls_of_the_page_create_its_form(public: Public) -> None:
    create, get, shown, _ = (json.loads(text) for text in blocks("json"))
    assert public.company.envelope(create["method"], create["params"])["error"] == []
    (row,) = public.company.call(get["method"], **get["params"])
    assert list(row) == list(shown)
    assert {name: value for name, value in row.items() if name not in OPEN} == {
        name: value for name, value in shown.items() if name not in OPEN
    }
    # with this public URL its addresses are those of the page
    same = {name: row[name].replace(row["publicID"], shown["publicID"]) for name in OPEN - {"id"}}
    assert shown["hostedURL"] == shown["formAction"] == f"https://crm.example.com{same['hostedURL']}"
    assert shown["embedCode"] == same["embedCode"].replace('src="', 'src="https://crm.example.com')
    assert blocks("html")[0] == shown["embedCode"]
    assert f'<form action="{shown["formAction"]}" method="post">' in blocks("html")[1]


def test_the_plain_form_of_the_page_works(public: Public) -> None:
    create, *_ = (json.loads(text) for text in blocks("json"))
    public.company.call(create["method"], **create["params"])
    (row,) = public.company.call("getForms")
    names = re.findall(r'name="(\w+)"', blocks("html")[1])
    assert names == ["email", "first_name", "message"]
    sent = public.ask(
        row["formAction"],
        verb="POST",
        body="email=ann@example.com&first_name=Ann&message=Hello",
        headers={"Content-Type": URLENCODED},
    )
    assert sent.status == 303
    (lead,) = public.company.call("getLeads", where={})
    assert (lead["emailAddress"], lead["firstName"], lead["description"]) == ("ann@example.com", "Ann", "Hello")


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    def rate(of: Limit, seconds: int) -> tuple[int, int]:
        per_second, burst = of.value
        return burst, round(per_second * seconds)

    def row(title: str) -> list[Any]:
        (cells,) = [line.strip("|").split("|")[1:] for line in PAGE.splitlines() if line.startswith(f"| {title}")]
        return [tuple(map(int, re.findall(r"\d+", cell))) for cell in cells]

    assert row("submissions from one address") == [
        rate(Limit.OF_ADDRESS, 60),
        rate(Limit.PLAIN_OF_ADDRESS, 60),
    ]
    assert row("submissions of one form") == [rate(Limit.OF_FORM, 1), rate(Limit.PLAIN_OF_FORM, 1)]
    assert row("form views from one address") == [rate(Limit.VIEWS_OF_ADDRESS, 60), ()]
    assert row("text of a submission")[0] == (form_bodies.TEXT_BYTES // 1024,)
    assert row("fields of a submission")[0] == (form_bodies.FIELDS,)
    assert row("files of a submission")[0] == (form_bodies.FILES, form_bodies.FILE_BYTES // 1024 // 1024)
    assert forms.TOO_FAST_SECONDS == 2
