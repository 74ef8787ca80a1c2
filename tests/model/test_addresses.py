"""The addresses that pushes may go to: both ends of every denied network, and odd spellings of addresses."""

import json
import random
import subprocess
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import pytest
from yarl import URL

from programs import program
from springhead.model.feed.receiver_addresses import (
    URL_LENGTH,
    ForbiddenUrl,
    Networks,
    canonical_url,
    is_public,
    kind_of,
    problem_of,
)

PUBLIC = Networks()
HOME = Networks.of(["127.0.0.0/8", "::1", "10.1.0.0/16"], http=True)

DENIED = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "5f00::/16", "fc00::/7"),
    *("fe80::/10", "fec0::/10", "ff00::/8", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2"),
)
FIRST_PUBLIC_BEHIND = {
    *("1.0.0.0", "11.0.0.0", "100.128.0.0", "128.0.0.0", "169.255.0.0", "172.32.0.0", "192.0.1.0", "192.0.3.0"),
    *("192.88.100.0", "192.169.0.0", "198.20.0.0", "198.51.101.0", "203.0.114.0", "2001:200::", "2001:db9::"),
    *("2003::", "3fff:1000::"),
}
LAST_PUBLIC_BEFORE = {
    *("9.255.255.255", "100.63.255.255", "126.255.255.255", "169.253.255.255", "172.15.255.255", "191.255.255.255"),
    *("192.0.1.255", "192.88.98.255", "192.167.255.255", "198.17.255.255", "198.51.99.255", "203.0.112.255"),
    *("223.255.255.255", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"),
    *("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
}
METADATA = {  # metadata services of clouds, which have keys
    "169.254.169.254": "a link-local address",
    "169.254.170.2": "a link-local address",
    "100.100.100.200": "an address inside a provider's network",
    "168.63.129.16": "an address inside a provider's network",
    "192.0.0.192": "a reserved address",
    "fd00:ec2::254": "a private address",
    "fd20:ce::254": "a private address",
}
MAPPED = ("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0")


@pytest.mark.parametrize("network", DENIED)
def test_a_denied_network_is_denied_from_its_first_address_to_its_last(network: str) -> None:
    first, last = ip_network(network)[0], ip_network(network)[-1]

    assert not is_public(first)
    assert not is_public(last)


@pytest.mark.parametrize("address", sorted(FIRST_PUBLIC_BEHIND | LAST_PUBLIC_BEFORE | {"8.8.8.8", "2606:4700::1111"}))
def test_the_addresses_next_to_a_denied_network_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(("address", "kind"), METADATA.items())
def test_the_metadata_services_of_clouds_are_denied(address: str, kind: str) -> None:
    assert kind_of(ip_address(address)) == kind


@pytest.mark.parametrize("address", MAPPED)
def test_an_ipv4_address_inside_an_ipv6_address_is_checked_as_itself(address: str) -> None:
    assert not is_public(ip_address(address))
    assert is_public(ip_address("::ffff:8.8.8.8"))


def test_an_allowed_network_is_open_and_all_others_stay_denied() -> None:
    for open_, closed in (("127.0.0.1", "10.0.0.1"), ("::ffff:10.1.255.255", "10.2.0.0"), ("::1", "fe80::1")):
        assert HOME.problem_of(ip_address(open_)) is None
        assert HOME.problem_of(ip_address(closed)) is not None
    assert PUBLIC.problem_of(ip_address("::1")) == "::1 is a loopback address"


FIT = {
    "https://example.com": "https://example.com/",
    "https://example.com/": "https://example.com/",
    "HTTPS://EXAMPLE.COM/Path?Query=A": "https://example.com/Path?Query=A",
    "https://example.com:443/": "https://example.com/",
    "https://example.com:0443/": "https://example.com/",
    "https://example.com:/": "https://example.com/",
    "https://example.com:8443?a=b": "https://example.com:8443/?a=b",
    "https://example.com./": "https://example.com/",
    "https://example.com?": "https://example.com/",
    "https://bücher.example/über?ä": "https://xn--bcher-kva.example/%C3%BCber?%C3%A4",
    "https://faß.example/": "https://xn--fa-hia.example/",
    "https://ＥＸＡＭＰＬＥ．com/": "https://example.com/",
    "https://my_host.example.com/": "https://my_host.example.com/",
    "https://8.8.8.8/": "https://8.8.8.8/",
    "https://[2606:4700:0:0:0:0:0:1111]:8443/a": "https://[2606:4700::1111]:8443/a",
    "https://example.com/a@b:c/(d)'*!$&+,;=~/%2F?a=/?:@": "https://example.com/a@b:c/(d)'*!$&+,;=~/%2F?a=/?:@",
    "https://example.com//a/../b/./": "https://example.com//a/../b/./",
}


@pytest.mark.parametrize(("url", "stored"), FIT.items())
def test_a_url_is_stored_in_one_spelling(url: str, stored: str) -> None:
    assert canonical_url(url, PUBLIC) == stored
    assert canonical_url(stored, PUBLIC) == stored


UNFIT = {
    # spellings of 127.0.0.1 that getaddrinfo or browsers know
    "https://2130706433/": "four decimal numbers",
    "https://0x7f000001/": "four decimal numbers",
    "https://0x7f.1/": "four decimal numbers",
    "https://0177.0.0.1/": "four decimal numbers",
    "https://127.1/": "four decimal numbers",
    "https://127.0.1/": "four decimal numbers",
    "https://127.0.0.01/": "four decimal numbers",
    "https://0/": "four decimal numbers",
    "https://127.0.0.1.0x/": "four decimal numbers",
    "https://1.2.3.4.5/": "four decimal numbers",
    "https://256.1.1.1/": "four decimal numbers",
    "https://①②⑦.⓪.⓪.①/": "127.0.0.1 is a loopback address",
    "https://１２７.0.0.1/": "127.0.0.1 is a loopback address",
    "https://127。0。0。1/": "127.0.0.1 is a loopback address",
    "https://127.0.0.1./": "127.0.0.1 is a loopback address",
    "https://127.0.0.1": "127.0.0.1 is a loopback address",
    "https://0.0.0.0/": "0.0.0.0 is not an address of a machine",
    "https://localhost/": "127.0.0.1 is a loopback address",
    "https://LOCALHOST:8443/": "127.0.0.1 is a loopback address",
    "https://a.localhost/": "127.0.0.1 is a loopback address",
    "https://ⓛocalhost/": "127.0.0.1 is a loopback address",
    "https://[::1]/": "::1 is a loopback address",
    "https://[0:0::1]/": "::1 is a loopback address",
    "https://[::]/": ":: is not an address of a machine",
    "https://[::127.0.0.1]/": "::7f00:1 is a reserved address",
    "https://[::ffff:127.0.0.1]/": "127.0.0.1 is a loopback address",
    "https://[64:ff9b::7f00:1]/": "64:ff9b::7f00:1 is a reserved address",
    "https://[2002:7f00:1::]/": "2002:7f00:1:: is a reserved address",
    "https://[fe80::1%25eth0]/": "no network interface",
    "https://[fe80::1%eth0]/": "no network interface",
    "https://[v1.a]/": "invalid IPv6 address",
    "https://[127.0.0.1]/": "invalid IPv6 address",
    "https://[]/": "invalid IPv6 address",
    "https://169.254.169.254/latest/meta-data/": "169.254.169.254 is a link-local address",
    # what parsers disagree on
    "https://example.com@127.0.0.1/": "no user name",
    "https://127.0.0.1@example.com/": "no user name",
    "https://user:word@example.com/": "no user name",
    "https://:@example.com/": "no user name",
    "https://@example.com/": "no user name",
    "https://a#@b/": "no fragment, which is the part after a #",
    "https://example.com/#": "no fragment, which is the part after a #",
    "https://example.com#@127.0.0.1/": "no fragment, which is the part after a #",
    "https://example.com\\@127.0.0.1/": "no user name",
    "https://example.com\\.127.0.0.1/": "valid host name",
    "https:\\\\example.com/": "must begin with https://",
    "https:/example.com/": "must begin with https://",
    "https:example.com": "must begin with https://",
    "https:///example.com/": "valid host name",
    "//example.com/": "must begin with https://",
    "example.com": "must begin with https://",
    "": "must begin with https://",
    " https://example.com/": "must begin with https://",
    "https://example.com/ ": "without spaces",
    "https://example.com /": "valid host name",
    "https://exa mple.com/": "valid host name",
    "https://example.com/\n": "without spaces",
    "https://example.com\n/": "valid host name",
    "https://exa\tmple.com/": "valid host name",
    "https://example.com/\r\nX-Injected: yes": "without spaces",
    "https://example.com/\0": "without spaces",
    "https://example.com/\x7f": "without spaces",
    "https://example.com/\ud800": "without spaces",
    "https://exam\u00adple\0.com/": "valid host name",
    "https://example.com%2f@127.0.0.1/": "no user name",
    "https://127.0.0.1%2f.example.com/": "valid host name",
    "https://%31%32%37.0.0.1/": "valid host name",
    "https://example.com:443:80/": "without spaces",
    "https://example.com:+443/": "without spaces",
    "https://example.com:４４３/": "without spaces",
    "https://[::1]example.com/": "without spaces",
    "https://[::1": "without spaces",
    "https://.example.com/": "valid host name",
    "https://example..com/": "valid host name",
    "https://-a.example.com/": "valid host name",
    "https://a-.example.com/": "valid host name",
    "https://xn--/": "valid host name",
    "https://xn--a/": "valid host name",
    "https://\u200b/": "valid host name",
    "https://a\u2044b.example/": "valid host name",
    f"https://{'a' * 64}.com/": "valid host name",
    f"https://{'a.' * 127}com/": "valid host name",
    "https://example.com/%": "two hexadecimal digits",
    "https://example.com/?%zz": "two hexadecimal digits",
    'https://example.com/{a}|^`<>"': "without spaces",
    # the rest of the rules
    "http://example.com/": "must begin with https://",
    "ftp://example.com/": "must begin with https://",
    "file:///etc/passwd": "must begin with https://",
    "gopher://example.com/": "must begin with https://",
    "javascript:alert(1)": "must begin with https://",
    "unix:///run/docker.sock": "must begin with https://",
    f"https://example.com/{'a' * URL_LENGTH}": "at most 2,048 characters",
    f"https://example.com/{'é' * 1_000}": "at most 2,048 characters",
    "https://example.com:0/": "0 is not allowed",
    "https://example.com:22/": "22 is not allowed",
    "https://example.com:25/": "25 is not allowed",
    "https://example.com:6379/": "6379 is not allowed",
    "https://example.com:6667/": "6667 is not allowed",
    "https://example.com:65536/": "65536 is not allowed",
    "https://example.com:99999999999999999999/": "is not allowed",
}


@pytest.mark.parametrize(("url", "words"), UNFIT.items())
def test_an_unfit_url_is_refused_with_a_helpful_message(url: str, words: str) -> None:
    problem = problem_of(url, PUBLIC)

    assert problem is not None
    assert words in problem


def test_a_server_with_allowed_networks_accepts_their_addresses_and_plain_http() -> None:
    for url in (
        "http://127.0.0.1:8000/",
        "http://localhost/",
        "http://[::1]:8000/",
        "https://10.1.2.3/",
        "http://crm/",
    ):
        assert canonical_url(url, HOME) == url
    assert canonical_url("http://example.com:80", HOME) == "http://example.com/"
    assert problem_of("ftp://127.0.0.1/", HOME) == "must begin with https:// or http://"
    assert problem_of("http://10.2.0.1/", HOME) == "must lead to a public address; 10.2.0.1 is a private address"


PIECES = [
    *("https", "http", ":", "/", "//", "\\", "@", "?", "#", "[", "]", "%", ".", "..", "-", "_", " ", "\t", "\n", "\0"),
    *("example", "com", "127", "0", "1", "0x7f", "0177", "2130706433", "::1", "ffff", "443", "80", "8443", "65536"),
    *("é", "ß", "。", "．", "①", "Ａ", "\u00ad", "\u200d", "\u2044", "℀", "xn--", "xn--bcher-kva", "%2f", "%40", "%00"),
    *("localhost", "A", "ǅ", "ς", "ﬀ", "१", "א", "\ufeff", "\U0001f600", "㎏", "ı", "K"),
]


def odd_urls(count: int) -> list[str]:
    """Strange URLs. Two thirds begin correctly, so that the rest of them is parsed."""
    chance = random.Random(5)
    beginnings = ["https://example.com", "https://", "https://a.", "https://[", ""]
    return [chance.choice(beginnings) + "".join(chance.choices(PIECES, k=chance.randint(1, 7))) for _ in range(count)]


def test_every_parser_finds_the_same_host_in_an_accepted_url() -> None:
    """Our parser, the client's, the standard library's and that of browsers (Node's) agree on a URL's host and port."""
    accepted: dict[str, str] = {}
    for url in {*FIT, *UNFIT, *odd_urls(30_000)}:
        try:
            accepted[url] = canonical_url(url, PUBLIC)
        except ForbiddenUrl:
            continue
    assert len(accepted) > 1_000

    for stored in accepted.values():
        client, library = URL(stored, encoded=True), urlsplit(stored)
        assert str(client) == stored
        assert client.raw_host == library.hostname
        assert client.port == (library.port or 443)
        assert not client.user
        assert stored.isascii()
    script = """
        const pairs = JSON.parse(require("fs").readFileSync(0));
        const read = (url) => { try { const u = new URL(url); return [u.protocol, u.username, u.hostname, u.port]; }
                                catch { return null; } };
        console.log(JSON.stringify(pairs.map((pair) => pair.map(read))));
    """
    done = subprocess.run(
        [program("node"), "-e", script],
        input=json.dumps(list(accepted.items())).encode(),
        capture_output=True,
        check=True,
    )
    for (given, stored), (theirs, ours) in zip(accepted.items(), json.loads(done.stdout), strict=True):
        assert ours is not None, (given, stored)
        assert theirs is not None, (given, stored)
        assert [*theirs[:2], theirs[2].removesuffix("."), theirs[3]] == ours, (given, stored)
