"""What does not fit between a service file and a site."""

from __future__ import annotations

import pytest
from shop_service import SHOP, changed, make

from fabfile.settings.refusal import Refusal
from fabfile.settings.site_rules import SiteFigures, find_conflicts

SITE = SiteFigures(
    app_nodes=2,
    database_hosts=("db1",),
    node_rate=50,
    max_connections=50,
    database_user="shop",
)
PLAIN = changed('[database]\nconnections = 20\n[database.seed]\nsql = "seed.sql"', "")


@pytest.mark.parametrize(
    ("service", "site", "problem"),
    [
        (SHOP, SITE, ""),
        (SHOP, SITE._replace(node_rate=0), ""),
        (SHOP, SITE._replace(node_rate=3, app_nodes=1), ""),
        (PLAIN, SITE._replace(database_hosts=()), ""),
        (
            PLAIN,
            SITE,
            "hosts.db1.roles has postgres, but the service file of shop has no [database]",
        ),
        (
            SHOP,
            SITE._replace(node_rate=49),
            "edge.node_rate must be at least 50, not 49: 2 app nodes get 98 requests per second,"
            " and load.peak of shop is 100",
        ),
        (
            SHOP,
            SITE._replace(max_connections=49),
            "database.max_connections must be at least 50, not 49: 2 app nodes of shop open 20"
            " each, and 10 are kept",
        ),
        (
            changed("connections = 20", 'connections = 2\nrole_not = ["shop"]'),
            SITE,
            "database.user must not be shop: shop says so in database.role_not",
        ),
        (
            SHOP + '[[directory]]\npath = "/var/lib/shop"\nholds = "state"\n',
            SITE,
            "directory.holds of /var/lib/shop is state, but shop runs on 2 app nodes",
        ),
        (
            SHOP + '[[directory]]\npath = "/v"\nholds = "state"\n[nodes]\nstate = "own"\n',
            SITE,
            "",
        ),
    ],
)
def test_a_site_that_does_not_fit_its_program(
    service: str, site: SiteFigures, problem: str
) -> None:
    found = list(find_conflicts(make(service), site))
    assert [refusal.problem for refusal in found] == ([problem] if problem else [])
    assert all(isinstance(refusal, Refusal) and refusal.why for refusal in found)
