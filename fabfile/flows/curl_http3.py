"""The HTTP/3 request that a host makes with curl: the script, and how its output is read."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..acceptance.host_facts import CurlAnswer
from ..engine.shell import q

PROBE = "curl -V 2>/dev/null && ip -o -4 addr show"
"""Shell text that shows a host's curl and addresses. The features of a curl with HTTP/3 include the
word HTTP3."""


def curl_command(url: str, address: str) -> str:
    """Shell text for one GET of `url` over HTTP/3.

    Args:
        url: https://NAME:PORT/PATH.
        address: the IPv4 address to connect to; empty to resolve the name.
    """
    parts = urlsplit(url)
    resolve = f"--resolve {q(f'{parts.hostname}:{parts.port}:{address}')}" if address else ""
    # The first field is taken off by the script: it shows whether the handshake was completed.
    fields = "%{time_appconnect} %{http_code} %{http_version} %{time_total} %{errormsg}"
    # -4, because Debian's curl hangs when ::1 refuses; -k, because another test judges the
    # certificate.
    options = f"-4sk --http3-only --max-time 3 -o /dev/null {resolve} -w {q(fields)}"
    request = f"curl -q --noproxy '*' {options} {q(url)}"
    # After a QUIC Retry, Debian's curl sometimes completes the handshake and then never finishes
    # the request (its QPACK table is not sent). Only such a request is repeated.
    return (
        f"for try in 1 2 3 4; do\n  said=$({request})\n"
        '  case "$said" in 0.000000* | *" 200 "*) break ;; esac\ndone\n'
        'echo "$try ${said#* }"'
    )


def parse_curl_answer(host: str, version: str, output: str) -> CurlAnswer:
    """The answer in the output of `curl_command`."""
    tries, status, protocol, seconds, *error = output.split(" ", 4)
    return CurlAnswer(
        host=host,
        version=version,
        status=int(status),
        protocol=protocol,
        seconds=float(seconds),
        error="".join(error).strip(),
        tries=int(tries),
    )
