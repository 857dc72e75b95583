"""What a host sends before the encryption begins: words in place of a greeting, or its greeting
and the algorithms that it offers (RFC 4253)."""

from __future__ import annotations

from .errors import Unreachable
from .host import Address
from .messages import quote_output

LONGEST = 8192
"""Bytes that are kept. A greeting and a list of algorithms are shorter than 2 KiB."""

KINDS = {
    "kex": (0, "key exchange", "KexAlgorithms", "curve25519-sha256@libssh.org"),
    "ciphers": (2, "cipher", "Ciphers", "aes256-ctr"),
    "macs": (4, "message authentication code", "MACs", "hmac-sha2-256"),
}
"""By the word in paramiko's message: the place of the list in the packet (section 7.1), the name,
the option of sshd, and an algorithm of both OpenSSH and paramiko."""


def words_before_ssh(first: bytes) -> str:
    """The lines before the greeting `SSH-2.0-…`, as text; "" if a host said nothing else."""
    lines = first.split(b"\n")
    greeting = next((at for at, line in enumerate(lines) if line.startswith(b"SSH-")), len(lines))
    return b"\n".join(lines[:greeting]).decode(errors="replace").strip()


def explain_mismatch(a: Address, first: bytes, error: Exception) -> Unreachable | None:
    """The error for a host with which we share no algorithm; None if `error` says another thing."""
    kind = next((KINDS[word] for word in KINDS if f"no acceptable {word}" in str(error)), None)
    if kind is None:
        return None
    place, what, option, common = kind
    offer = quote_output(", ".join(read_offer(first, place)))
    return Unreachable(
        f"{a.name} and this program share no {what}: it offers {offer or 'an unknown list'}",
        f"nothing was done on it; {option} of its sshd allows newer ones only, which ssh knows",
        f"on {a.name}, as root: grep -ri ^{option} /etc/ssh; add {common} to that line; then:"
        " sshd -t && systemctl reload ssh",
    )


def read_offer(first: bytes, place: int) -> list[str]:
    """The list of algorithms at `place` in the host's first packet; empty if it is not complete."""
    import paramiko

    lines = first.split(b"\n")
    greeting = next((at for at, line in enumerate(lines) if line.startswith(b"SSH-")), None)
    if greeting is None:
        return []
    # Length (4 bytes), padding (1), message number (1), cookie (16); then the lists.
    lists = paramiko.Message(b"\n".join(lines[greeting + 1 :])[22:])
    offers = [lists.get_list() for _ in range(place + 1)]
    return [name for name in offers[place] if name and not name.startswith(("ext-info", "kex-str"))]
