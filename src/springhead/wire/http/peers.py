"""The addresses of clients, as limits by address count them."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

LONGEST_ADDRESS = 45
"""The most characters of an IP address. Proxies may pass on any other text; limits count only so much of it."""

IPV6_PREFIX = 64
"""The part of an IPv6 address that an owner cannot choose. The rest is free, so limits count the whole network."""


def client_network(address: str) -> str:
    """Returns the key under which limits count an address: an IPv4 address, or the /64 network of an IPv6 address.

    A text that is no address stays as it is, and is cut to LONGEST_ADDRESS characters.
    """
    if ":" not in address:
        return address[:LONGEST_ADDRESS]
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address[:LONGEST_ADDRESS]
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), IPV6_PREFIX), strict=False))


class TrustedPeers:
    """The trusted proxies of the settings, whose connections belong to many clients."""

    def __init__(self, networks: tuple[str, ...]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(network, strict=False) for network in networks]

    def __contains__(self, address: str) -> bool:
        """Whether an address belongs to a trusted proxy."""
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)
