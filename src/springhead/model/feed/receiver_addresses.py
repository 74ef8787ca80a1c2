"""The URLs of receivers, and the IP addresses to which pushes may go."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Self
from urllib.parse import quote

import idna
import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

URL_LENGTH = 2_048

_NOT_PUBLIC: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), kind)
    for kind, networks in {
        "not an address of a machine": ("0.0.0.0/8", "::/128"),
        "a loopback address": ("127.0.0.0/8", "::1/128"),
        "a private address": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
        "an address inside a provider's network": ("100.64.0.0/10", "168.63.129.16/32"),  # the latter is Azure's own
        "a link-local address": ("169.254.0.0/16", "fe80::/10"),  # with the metadata services of clouds
        "a reserved address": (
            *("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
            *("2001::/23", "2002::/16"),  # Teredo and 6to4, which have any IPv4 address inside
        ),
        "an address for examples": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
        "a multicast address": ("224.0.0.0/4", "ff00::/8"),
    }.items()
    for network in networks
)
_PUBLIC_V6 = IPv6Network("2000::/3")
"""The part of IPv6 that is in use. Addresses outside of it, such as NAT64's 64:ff9b::/96, are not public."""

_BAD_PORTS = frozenset(
    {
        # The bad ports of the Fetch standard from 1024 on: services there may take an HTTP request for commands.
        *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080),
        *(6379, 11211),  # Redis and memcached, whose commands are lines of text, too
    }
)

_ALLOWED = r"A-Za-z0-9\-._~!$&'()*+,;=:@%/\u00a0-\ud7ff\ue000-\U0010ffff"
_URL = re.compile(
    rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>\[[^\[\]/?]*\]|[^\[\]/?:]*)(?::(?P<port>[0-9]*))?"
    rf"(?P<path>/[{_ALLOWED}]*)?(?:\?(?P<query>[{_ALLOWED}?]*))?"
)
_USER = re.compile(r"[^/?#]*//[^/?#]*@")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_WRONG_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class ForbiddenUrl(ValueError):
    """Raised for a URL to which nothing may be pushed. The message completes a sentence that begins "The url"."""


class Networks(msgspec.Struct, frozen=True):
    """What pushes may reach besides the public internet: the operator's `own` networks, and URLs with plain http."""

    own: tuple[Network, ...] = ()
    http: bool = False

    @classmethod
    def of(cls, own: Iterable[str], *, http: bool = False) -> Self:
        """Returns the networks for the texts of a setting. Raises ValueError for a text that is no network."""
        return cls(tuple(ip_network(network) for network in own), http)

    def has(self, address: Address) -> bool:
        """Whether an address is in one of the operator's own networks."""
        return any(unmapped(address) in network for network in self.own)

    def problem_of(self, address: Address) -> str | None:
        """Returns why nothing may be sent to an address, such as `10.0.0.1 is a private address`, or None."""
        address = unmapped(address)
        if self.has(address):
            return None
        kind = kind_of(address)
        return f"{address} is {kind}" if kind else None


def unmapped(address: Address) -> Address:
    """Returns the IPv4 address in an IPv6 address such as ::ffff:10.0.0.1. Other addresses only lose their zone."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def kind_of(address: Address) -> str | None:
    """Returns the kind of an address that is not public, such as `a private address`. Returns None if it is public.

    The standard library's `is_global` differs between versions of Python, so it is not used.
    """
    address = unmapped(address)
    for network, kind in _NOT_PUBLIC:
        if address in network:
            return kind
    return None if isinstance(address, IPv4Address) or address in _PUBLIC_V6 else "a reserved address"


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet."""
    return kind_of(address) is None


def problem_of(url: str, networks: Networks) -> str | None:
    """Returns what is wrong with the URL of a receiver, as the end of a sentence that begins "The url", or None."""
    try:
        canonical_url(url, networks)
    except ForbiddenUrl as problem:
        return str(problem)
    return None


def canonical_url(url: str, networks: Networks) -> str:
    """Returns the canonical form of a receiver's URL. Raises ForbiddenUrl if nothing may be pushed to it.

    The canonical form has a host in lower case and Punycode, no default port, and a path. The rules are stricter than
    those of browsers, so that no parser finds another host in the URL. A host name that resolves to a private address
    is refused later, when the client connects.
    """
    if len(url) > URL_LENGTH:
        raise ForbiddenUrl(f"must be at most {URL_LENGTH:,} characters long")
    parts = _URL.fullmatch(url)
    scheme = parts["scheme"].lower() if parts else url.partition("://")[0].lower()
    if scheme not in {"https", "http"} or "://" not in url or (scheme == "http" and not networks.http):
        raise ForbiddenUrl("must begin with https:// or http://" if networks.http else "must begin with https://")
    if "#" in url:
        raise ForbiddenUrl("must have no fragment, which is the part after a #")
    if _USER.match(url):
        raise ForbiddenUrl("must have no user name or password: pushes are signed instead")
    if not parts:
        raise ForbiddenUrl(
            "must be an address such as https://example.com/pushes, without spaces or control characters"
        )
    rest = (parts["path"] or "/") + ("?" + parts["query"] if parts["query"] else "")
    if _WRONG_ESCAPE.search(rest):
        raise ForbiddenUrl("must have two hexadecimal digits after every %")
    origin = f"{scheme}://{_host(parts['host'], networks)}{_port(scheme, parts['port'])}"
    canonical = origin + _NOT_ASCII.sub(lambda text: quote(text[0]), rest)
    if len(canonical) > URL_LENGTH:
        raise ForbiddenUrl(
            f"must be at most {URL_LENGTH:,} characters long, with characters outside ASCII written as %C3%A9"
        )
    return canonical


def _host(host: str, networks: Networks) -> str:
    if host.startswith("["):
        try:
            address: Address = IPv6Address(host[1:-1])
        except ValueError:
            raise ForbiddenUrl("has an invalid IPv6 address") from None
        if address.scope_id:
            raise ForbiddenUrl("must have no network interface after a %")
        return f"[{_checked_address(address, networks)}]"
    name = _name(host)
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(_checked_address(IPv4Address(name), networks))
        except ValueError as cause:
            if isinstance(cause, ForbiddenUrl):
                raise
            raise ForbiddenUrl("must have an IPv4 address as four decimal numbers, such as 198.51.100.1") from None
    if name == "localhost" or name.endswith(".localhost"):
        _checked_address(IPv4Address("127.0.0.1"), networks)
    return name


def _name(host: str) -> str:
    """Returns the name of a host in ASCII and lower case, without a dot at its end."""
    try:
        name = host if host.isascii() else idna.encode(host, uts46=True, std3_rules=True).decode()
        name = name.lower().removesuffix(".")
        for label in name.split("."):
            if label.startswith("xn--"):
                idna.decode(label)
    except UnicodeError:
        name = ""
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ForbiddenUrl("must have a valid host name, such as example.com")
    return name


def _checked_address(address: Address, networks: Networks) -> Address:
    problem = networks.problem_of(address)
    if problem:
        raise ForbiddenUrl(f"must lead to a public address; {problem}")
    return address


def _port(scheme: str, port: str | None) -> str:
    if not port:
        return ""
    number = int(port) if len(port) <= 5 else 0
    if number > 65_535 or number in _BAD_PORTS or not (number in {80, 443} or number >= 1_024):
        raise ForbiddenUrl(
            f"must have port 443, or a port from 1024 to 65535 that no other protocol uses; {port} is not allowed"
        )
    return "" if number == {"https": 443, "http": 80}[scheme] else f":{number}"
