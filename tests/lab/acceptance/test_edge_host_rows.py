"""R14, R15 and R16 on the real edges: they hold, and what an edge may get wrong is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from deployed import Deployed, on_each_host, wait_until_up
from labtools import Outcome, Runner, Ssh

ROWS = ("R14", "R15", "R16")
EDGES = ("edge1", "edge2")


def quick(run_fab: Runner, *args: str) -> dict[str, dict[str, Any]]:
    """The rows of a quick run, by id."""
    outcome: Outcome = run_fab("check", "--quick", "--json", "-", *args)
    assert outcome.code in (0, 1), outcome
    return {row["id"]: row for row in json.loads(outcome.out)["rows"]}


def test_the_edge_holds_what_it_must(deployed: Deployed, run_fab: Runner, ssh: Ssh) -> None:
    wait_until_up(ssh)
    rows = quick(run_fab)
    assert {id: (rows[id]["verdict"], rows[id]["why"]) for id in ROWS} == dict.fromkeys(
        ROWS, ("held", "")
    )
    tls, http3, cache = (rows[id]["more"] for id in ROWS)
    assert tls["certificate"]["verified"]
    assert (tls["http2"], tls["profile"]["compliant"]) == (True, True)
    assert http3["curl"]["host"] in EDGES
    assert http3["curl"]["version"] == "curl 8.14.1"
    assert "the time in the body" in cache["evidence"]
    assert cache["oldest_s"] <= 60


@pytest.fixture
def in_the_way(healed: Deployed, ssh: Ssh) -> Iterator[None]:
    """UDP to port 443 is dropped on both edges, as a firewall that forgot HTTP/3 does; gone
    afterwards."""
    for edge in EDGES:
        ssh(
            edge,
            "nft add table inet intheway\nnft 'add chain inet intheway in { type filter hook input"
            " priority 0 ; }'",
        )
        ssh(edge, "nft add rule inet intheway in udp dport 443 drop")
    yield
    for edge in EDGES:
        ssh(edge, "nft delete table inet intheway")


def spoil(ssh: Ssh, *edits: str) -> None:
    """Change nginx's configuration on both edges by sed; the next deploy makes it good."""
    script = " ".join(f"-e '{edit}'" for edit in edits)
    for edge in EDGES:
        ssh(
            edge,
            f"sed -i {script} /etc/nginx/nginx.conf\nnginx -tq\nsystemctl restart nginx"
            " runbook-refresher",
        )


@pytest.mark.usefixtures("in_the_way")
def test_an_edge_spoilt_by_hand_fails_by_the_names_of_its_faults(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    """Nothing is kept, one path sends http away and browsers with it, TLS 1.1 is back, UDP is
    blocked."""
    wait_until_up(ssh)
    away = "if ($scheme = http) { return 301 https://$host$request_uri; }"
    strict = "add_header Strict-Transport-Security max-age=60;"
    spoil(
        ssh,
        "s/^ *proxy_cache [^;]*;//",
        f"s|^\\( *\\)location / {{|\\1location = /db_dummy {{ {away} {strict} proxy_pass"
        " http://balancer; }\\n&|",
        "s/ssl_protocols .*/ssl_protocols TLSv1.1 TLSv1.2 TLSv1.3;/",
        "s/ssl_ciphers .*/ssl_ciphers DEFAULT@SECLEVEL=0;/",
    )
    rows = quick(run_fab)
    assert [rows[id]["verdict"] for id in ROWS] == ["failed"] * 3
    why = rows["R14"]["why"]
    assert "redirected: http GET /db_dummy to https://" in why
    assert "Strict-Transport-Security is sent (http GET /db_dummy)" in why
    assert "not Mozilla's intermediate profile 6.0: TLS versions {'TLSv1.1'} are supported" in why
    why = rows["R15"]["why"]
    assert "no answer over QUIC (timed out), though TLS over TCP works: 443/udp blocked?" in why
    assert "curl 8.14.1 --http3-only on edge" in why
    assert "HTTP/3 is not offered: an https answer has no Alt-Svc" in why
    assert "took 1 s or more: does the edge cache this answer at all?" in rows["R16"]["why"]


def test_nginx_that_keeps_too_much_too_long_is_found(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    """A cache that minds no deadline, filled more than a minute before anybody asks; and films,
    which none may keep."""
    wait_until_up(ssh)
    spoil(
        ssh,
        "s/proxy_ignore_headers .*/proxy_ignore_headers X-Accel-Expires Cache-Control Expires"
        " Set-Cookie Vary; proxy_cache_valid 10m;/",
        "s/proxy_cache_bypass 1;//",
        "s|^\\( *\\)location / {|\\1location /api/movie/ { proxy_pass http://balancer; proxy_cache"
        " answers; }\\n&|",
    )
    # What was kept before still has its deadline.
    cache = "$(sed -n 's/.*proxy_cache_path \\([^ ]*\\) .*/\\1/p' /etc/nginx/nginx.conf)"
    empty = f"systemctl stop nginx\nfind {cache} -type f -delete\nsystemctl start nginx\n"
    fill = f"{empty}curl -s -o /dev/null --max-time 15 http://127.0.0.1/long_dummy\nsleep 62"
    on_each_host(lambda edge: ssh(edge, fill, timeout=120), EDGES)
    rows = quick(run_fab)
    assert rows["R16"]["verdict"] == "failed"
    assert "s old (by the time in the body" in rows["R16"]["why"]
    assert rows["R16"]["more"]["oldest_s"] > 60
    assert {id for id, row in rows.items() if "it is cached" in row["why"]} == {"R6"}
