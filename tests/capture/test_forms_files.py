"""Files sent with forms: stored in upload fields, limited in size, and served as downloads only."""

from collections.abc import Callable

import pytest

from capture.forms import FormOf, custom, messages
from capture.public import Public
from support import Company

HTML = b"<script>alert(document.domain)</script>"


@pytest.mark.parametrize("kind", ["upload", "attachment"])
def test_a_file_is_stored_and_its_address_is_in_the_field(public: Public, kind: str) -> None:
    cv = custom(public.company, "CV", kind)
    form = FormOf(public, cv)
    assert 'enctype="multipart/form-data"' in public.ask(form.path).body.decode()

    sent = form.files(("emailAddress", "a@example.com"), (cv, ('Mül"l\\er.html', HTML)))

    assert sent.status == 303
    address = form.lead()[cv]
    assert address is not None
    assert address.startswith(f"/files/{public.token}/")
    file = public.ask(address)
    assert (file.status, file.body) == (200, HTML)
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.headers["x-content-type-options"] == "nosniff"
    assert file.headers["content-disposition"].startswith("attachment; filename=")
    assert file.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert form.submits()[0]["data"]["values"][cv] == address
    (row,) = public.rows("select size, content_type, lead_id, sha256 = sha256(data) as right from upload"
                         " where company_id = $1")  # fmt: skip
    assert row == {
        "size": len(HTML),
        "content_type": "text/html",
        "lead_id": int(form.lead()["id"] or 0),
        "right": True,
    }


def test_another_company_another_token_and_a_deleted_lead_give_no_file(
    public: Public, given_company: Callable[..., Company]
) -> None:
    cv = custom(public.company, "CV", "upload")
    form = FormOf(public, cv)
    form.files(("emailAddress", "a@example.com"), (cv, ("cv.txt", b"x")))
    address = str(form.lead()[cv])
    token = address.rpartition("/")[2]
    other = Public(given_company())
    try:
        assert other.ask(f"/files/{other.token}/{token}").status == 404
    finally:
        other.close()
    for wrong in (
        f"{address[:-1]}_",
        f"/files/{public.token}/",
        f"/files/{public.token}/{'A' * 22}",
        f"/files/x/{token}",
    ):
        assert public.ask(wrong).status == 404
    assert public.company.refusal("deleteLeads", {"id": form.lead()["id"]}) is None
    assert public.ask(address).status == 404
    assert public.rows("select from upload where company_id = $1 and lead_id is not null") == []


def test_the_address_of_a_file_stops_to_work_after_the_days_that_the_company_says(public: Public) -> None:
    company = public.company
    cv = custom(company, "CV", "upload")
    form = FormOf(public, cv)
    form.files(("emailAddress", "a@example.com"), (cv, ("cv.txt", b"x")))
    address = str(form.lead()[cv])
    age = "update upload set create_timestamp = now() - make_interval(days => $2) where company_id = $1"

    def status_after(days: int) -> int:
        public.rows(age, days)
        return public.ask(address).status

    assert status_after(9_000) == 200
    company.call("updateCaptureSettings", fileLinkDays=30)
    assert (status_after(29), status_after(31)) == (200, 404)
    company.call("updateCaptureSettings", fileLinkDays=0)
    assert status_after(31) == 200
    assert company.refusal("updateCaptureSettings", {"fileLinkDays": -1}) is not None
    assert company.refusal("updateCaptureSettings", {"fileLinkDays": 10_001}) is not None


def test_a_text_in_a_file_field_and_a_file_in_a_text_field_are_refused(public: Public) -> None:
    cv = custom(public.company, "CV", "upload")
    form = FormOf(public, cv, "firstName")
    sent = form.files(
        ("emailAddress", "a@example.com"), (cv, "https://evil.example/x.exe"), ("firstName", ("a.txt", b"Ann"))
    )
    assert sent.status == 303
    assert (form.lead()[cv], form.lead()["firstName"]) == ("", None)
    assert public.rows("select from upload where company_id = $1 and lead_id is not null") == []


def test_an_empty_file_is_ignored(public: Public) -> None:
    cv = custom(public.company, "CV", "upload", isRequired=1)
    form = FormOf(public, cv)
    page = form.files(("emailAddress", "a@example.com"), (cv, ("", b"")))
    assert page.status == 422
    assert messages(page)[cv] == "Please choose a file."


def test_a_file_that_is_too_large_has_a_message_at_its_field(public: Public) -> None:
    cv = custom(public.company, "CV", "upload")
    form = FormOf(public, cv)
    page = form.files(("emailAddress", "a@example.com"), (cv, ("cv.pdf", b"x" * (5 * 1024 * 1024 + 1))))
    assert page.status == 422
    assert messages(page)[cv] == "Please choose a file of at most 5 MB."
    assert form.leads() == []
    assert form.files(("emailAddress", "a@example.com"), (cv, ("cv.pdf", b"x" * 5 * 1024 * 1024))).status == 303


def test_more_than_five_files_are_refused(public: Public) -> None:
    form = FormOf(public)
    page = form.files(("emailAddress", "a@example.com"), *[("x", ("a.txt", b"x"))] * 6)
    assert page.status == 400
    assert form.leads() == []


def test_the_same_files_sent_again_with_the_same_page_are_stored_once(public: Public) -> None:
    cv = custom(public.company, "CV", "upload")
    form = FormOf(public, cv)
    token = form.token()
    for _ in range(2):
        assert form.files(("emailAddress", "a@example.com"), (cv, ("cv.txt", b"x")), token=token).status == 303
    assert len(form.submits()) == 1
    assert len(public.rows("select from upload where company_id = $1")) == 1


def test_a_field_too_short_for_the_address_says_so_and_stores_nothing(public: Public) -> None:
    cv = custom(public.company, "CV", "upload", dataLength=20)
    form = FormOf(public, cv)
    assert form.files(("emailAddress", "a@example.com"), (cv, ("cv.txt", b"x"))).status == 422
    assert form.leads() == []
