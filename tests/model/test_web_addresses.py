"""Web addresses of callers and visitors: every ASCII letter is a letter, and no other character passes for one."""

import string
from collections.abc import Callable

import pytest

from springhead.model.capture.email_links import is_link
from springhead.model.capture.forms import is_web_address
from springhead.model.capture.visitors import is_url
from springhead.model.feed.receiver_addresses import Networks, problem_of
from springhead.model.kit.columns import custom
from springhead.wire.http.connections import Connections
from springhead.wire.logs import safe

FOLDED = "\u0130\u0131\u017f\u212a"
"""The characters that Python takes for i, s and k in a pattern that ignores case: İ, ı, ſ and K."""


def _is_receiver(address: str) -> bool:
    return problem_of(address, Networks(http=True)) is None


def _is_field_url(address: str) -> bool:
    try:
        return custom("url", 255, ()).read(address) == address
    except ValueError:
        return False


def _is_served(address: str) -> bool:
    return Connections(1).serves_host(address.split("/")[2].encode())


EVERY = [is_link, is_web_address, is_url, _is_receiver, _is_field_url]


@pytest.mark.parametrize("accepts", [*EVERY, _is_served])
@pytest.mark.parametrize("letter", string.ascii_letters + string.digits)
def test_every_ascii_letter_stands_in_hosts_and_paths(accepts: Callable[[str], bool], letter: str) -> None:
    for address in (
        f"https://{letter}.example/",
        f"https://shop{letter}.example/",
        f"https://{letter}hop.example/",
        f"https://a.example/{letter}",
        f"https://a.example/?{letter}={letter}",
    ):
        assert accepts(address), address


@pytest.mark.parametrize("accepts", EVERY)
@pytest.mark.parametrize("scheme", ["http", "HTTP", "Https", "hTTpS"])
def test_a_scheme_is_known_in_any_case(accepts: Callable[[str], bool], scheme: str) -> None:
    assert accepts(f"{scheme}://shop.example/Kiosk")


@pytest.mark.parametrize("accepts", EVERY)
def test_no_other_character_passes_for_a_letter_of_a_scheme(accepts: Callable[[str], bool]) -> None:
    assert not accepts("http\u017f://shop.example/")


@pytest.mark.parametrize("accepts", [is_link, is_web_address])
@pytest.mark.parametrize("character", FOLDED)
def test_a_target_of_a_redirect_is_ascii(accepts: Callable[[str], bool], character: str) -> None:
    for address in (f"https://a.com/{character}", f"https://{character}.com/", f"https://a.com/?{character}"):
        assert not accepts(address), address


@pytest.mark.parametrize("name", ["secretKey", "SECRETKEY", "api_key", "TOKEN", "Set_Cookie"])
def test_names_of_secrets_are_masked_in_any_case(name: str) -> None:
    assert safe(None, "info", {name: "abc", "url": f"https://x/?{name}=abc"})[name] == "***"
