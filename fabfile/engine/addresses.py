"""Tell IP addresses from names."""

from __future__ import annotations


def is_ip(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_ipv4(text: str) -> bool:
    """Whether `text` is an IPv4 address."""
    return ":" not in text and is_ip(text)


def is_ipv4_network(text: str) -> bool:
    """Whether `text` is an IPv4 address, or a network such as 10.0.0.0/24."""
    import ipaddress

    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return True
