"""An edge on which somebody else already serves something: nothing of theirs ends without a
word."""

from __future__ import annotations

from deployed import Deployed, Variant, complaint, untouched, wait_until_up
from labtools import Runner, Ssh

from lab import hosts

SITE = "/etc/nginx/sites-enabled/shop"


def test_a_shared_edge_is_refused_until_the_site_file_gives_it_up(
    healed: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    hosts.reset(["edge2"])
    ssh(
        "edge2",
        "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install nginx haproxy"
        " curl >/dev/null",
    )
    assert run_fab("plan").code == 2, "what Debian's packages bring is nobody's"
    ssh(
        "edge2",
        f"echo 'server {{ listen 8080; return 200 shop; }}' >{SITE}; systemctl reload nginx",
    )
    before = untouched(ssh)

    for task in ("plan", "deploy"):
        refused = run_fab(task)
        assert refused.code == 1, refused
        assert SITE in complaint(refused).seen
        assert 'replace = ["nginx"] under [edge]' in complaint(refused).next
    assert untouched(ssh) == before
    assert ssh("edge2", "curl -s http://127.0.0.1:8080/").out == "shop"

    allowed = variant(edge={"replace": ["nginx"]})
    assert run_fab("deploy", env=allowed).code == 0
    assert ssh("edge2", f"cat {SITE}").out, "left where it was"
    assert "sites-enabled" in ssh("edge2", "cat /var/lib/runbook/previous/etc/nginx/nginx.conf").out
    wait_until_up(ssh)
