"""A public authority: what it answers, in words for people; when to order; what is kept; and what
the tasks do on such a site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certmaking import DAY, MIDDLE, NOW, ROOT, Maker, leaf, new_key, pem, put
from cryptography import x509
from samples import site

from fabfile import certs
from fabfile.alerts.edges import edge_rules
from fabfile.certs import acme_store, judge, ready_material, status, trust, trust_bundle
from fabfile.certs.acme_renewal import ShowLine
from fabfile.certs.acme_words import (
    KEPT,
    AcmeRefusal,
    choose_answering,
    explain_refusal,
    quote_words,
    read_retry_after,
)
from fabfile.certs.authority import find_due_reason
from fabfile.certs.challenge import publish_script
from fabfile.certs.names import certified_names, sort_names
from fabfile.certs.store import Store
from fabfile.engine.errors import DIFFERS, OK, RunbookError, Unreachable
from fabfile.rollout import certificates
from fabfile.rollout.options import DeployOptions
from fabfile.settings.bounds import certificate_warn_days
from fabfile.settings.settings import Acme, Settings, Tls

NAME = "shop.example"
HOST = "ca.example"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The sample site with a public authority, whose root is in `tls.acme.ca`."""
    ca = put(tmp_path, "ca.pem", pem(ROOT.make()))
    acme = Acme(f"https://{HOST}/v1/directory", ca=ca)
    return replace(site(), tls=Tls(names=(NAME,), store=tmp_path / "tls", acme=acme))


def keep(settings: Settings, maker: Maker | None = None) -> x509.Certificate:
    """Let the authority issue what `maker` describes."""
    maker = maker or leaf(NAME)
    store = acme_store.open_store(settings)
    with store.hold_lock():
        chain = pem(maker.make(), MIDDLE.make()).decode()
        return acme_store.keep_certificate(settings, chain, maker.key).leaf  # type: ignore[arg-type]


# -- the authority's words


@pytest.mark.parametrize(
    ("refusal", "problem", "next_"),
    [
        (
            AcmeRefusal("rateLimited", "too many certificates", retry_at=NOW + 7 * DAY),
            f"{HOST} takes no more orders for now: too many certificates",
            f"inv certs.renew, after {NOW + 7 * DAY:%Y-%m-%d %H:%M} UTC",
        ),
        (
            AcmeRefusal("rateLimited", "too many, retry after 2030-01-01"),
            f"{HOST} takes no more orders for now: too many, retry after 2030-01-01",
            "inv certs.renew, later, the authority names the limit above",
        ),
        (
            AcmeRefusal("dns", "NXDOMAIN looking up A", NAME),
            f"{HOST} does not certify {NAME}: NXDOMAIN looking up A",
            f"dig {NAME}   (it must lead to the edges, also from the internet); then"
            " inv certs.renew",
        ),
        (
            AcmeRefusal("caa", "CAA record forbids", NAME),
            f"{HOST} does not certify {NAME}: CAA record forbids",
            f"dig CAA {NAME}   (it must allow this authority); then inv certs.renew",
        ),
        (
            AcmeRefusal("unauthorized", "account is deactivated"),
            f"{HOST} refuses the account of this site: account is deactivated",
            "mv a.json a.json.old, then inv certs.renew   (it makes a new account)",
        ),
        (
            AcmeRefusal("serverInternal", "maintenance"),
            f"{HOST} refuses the order: maintenance",
            "inv certs.renew, later",
        ),
        (AcmeRefusal("", ""), f"{HOST} refuses the order: no reason", "inv certs.renew, later"),
    ],
    ids=lambda value: value.code if isinstance(value, AcmeRefusal) else "",
)
def test_a_refusal_is_explained(refusal: AcmeRefusal, problem: str, next_: str) -> None:
    error = explain_refusal(HOST, refusal, "a.json")
    assert (error.problem, error.why, error.next) == (problem, KEPT, next_)


def test_an_authority_with_accounts_of_its_own_is_refused() -> None:
    error = explain_refusal(HOST, AcmeRefusal("externalAccountRequired", "no binding"), "a.json")
    assert "made on its web page" in error.problem
    assert "tls.acme.directory" in error.next


def test_words_of_a_server_stay_one_short_line() -> None:
    assert quote_words("a\x1b[31m\nb\tc") == "a [31m b c"
    assert len(quote_words("long " * 200)) == 300


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", None),
        ("soon", None),
        ("120", NOW + timedelta(seconds=120)),
        (" 0 ", NOW),
        ("Tue, 01 Jan 2030 10:00:00 GMT", datetime(2030, 1, 1, 10, tzinfo=UTC)),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, at: datetime | None) -> None:
    assert read_retry_after(text, NOW) == at


# -- which edges answer

LOST = Unreachable("edge2 does not answer", "", "")
Results = dict[str, str | RunbookError]


@pytest.mark.parametrize(
    ("results", "answering"),
    [
        ({"edge1": "answers", "edge2": "answers"}, ["edge1", "edge2"]),
        ({"edge1": "answers", "edge2": "down"}, ["edge1"]),
        ({"edge1": "answers", "edge2": LOST}, ["edge1"]),
    ],
)
def test_an_edge_that_is_down_is_left_out(results: Results, answering: Sequence[str]) -> None:
    assert choose_answering(results) == answering


@pytest.mark.parametrize(
    ("results", "problem"),
    [
        ({"edge1": "answers", "edge2": "<h1>404</h1>"}, "edge2 does not answer the authority's"),
        ({"edge1": "answers", "edge2": RunbookError("the disk is full")}, "the disk is full"),
        ({"edge1": "down", "edge2": "down"}, "nginx does not run on edge1 and edge2"),
        ({"edge1": "down", "edge2": LOST}, "edge2 does not answer"),
    ],
)
def test_nothing_is_ordered_while_an_edge_would_answer_wrongly(
    results: Results, problem: str
) -> None:
    with pytest.raises(RunbookError, match=problem):
        choose_answering(results)


def test_the_answers_are_written_before_an_edge_is_asked() -> None:
    script = publish_script("192.0.2.11", 80, {"tok": "tok.print"})
    write, ask = (
        script.index("printf %s tok.print"),
        script.index("http://192.0.2.11:80/.well-known"),
    )
    assert write < ask < script.index("echo answers")


# -- when to order


@pytest.mark.parametrize(
    ("lifetime", "left", "due"),
    [
        (90, 31, False),
        (90, 29, True),
        (45, 16, False),
        (45, 14, True),
        (6, 2.1, False),
        (6, 1.9, True),
        (365, 31, False),
        (365, 29, True),
    ],
)
def test_it_is_due_30_days_or_a_third_before_its_end(lifetime: int, left: float, due: bool) -> None:
    start = NOW - (lifetime - left) * DAY
    made = leaf(NAME, start=start, end=start + lifetime * DAY).make()
    assert bool(find_due_reason(made, sort_names([NAME]), NOW)) is due


def test_an_alert_comes_after_the_renewal_was_due(settings: Settings) -> None:
    """Also for the 45 days to which Let's Encrypt goes: due with 15 days left."""
    assert certificate_warn_days(settings) == 10
    assert certificate_warn_days(site()) == 21
    warning, page = (rule for rule in edge_rules(settings) if rule.name == "certificate")
    assert warning.expression.endswith(" < 10")
    assert (warning.command, page.command) == ("inv certs.status", "inv certs.renew")


def test_names_are_ordered_and_no_addresses(settings: Settings) -> None:
    assert certified_names(settings) == sort_names([NAME])
    named = replace(settings, service="https://www.shop.example")
    assert certified_names(named).dns == (NAME, "www.shop.example")


# -- what is kept


def test_a_verified_certificate_is_kept_and_deployed(settings: Settings) -> None:
    assert acme_store.find_order_reason(settings) == "there is none yet"
    kept = keep(settings)
    assert acme_store.find_order_reason(settings) == ""
    material = ready_material(settings, may_issue=True)
    assert material
    chain = x509.load_pem_x509_certificates(material.chain.encode())
    assert chain == [kept, chain[1]]
    folder = settings.tls.store / "acme" / "ca.example-v1-directory"
    assert {path.name for path in folder.iterdir()} == {".lock", "leaf.pem", "root.pem"}
    assert (folder / "leaf.pem").stat().st_mode & 0o777 == 0o600
    assert trust_bundle(settings) == folder / "root.pem"


@pytest.mark.parametrize(
    ("maker", "problem"),
    [
        (leaf("other.example"), "is not for shop.example"),
        (leaf(NAME, end=NOW - DAY), "expired on"),
        (replace(leaf(NAME), issuer=None), "no browser knows its root «shop.example»"),
        (leaf(NAME, issuer=Maker("unknown", authority=True)), "this machine does not know"),
    ],
    ids=["names", "expired", "self-signed", "unknown root"],
)
def test_a_bad_certificate_does_not_replace_a_good_one(
    settings: Settings, maker: Maker, problem: str
) -> None:
    good = keep(settings)
    with pytest.raises(RunbookError, match=problem) as refusal:
        keep(settings, maker)
    assert refusal.value.problem.startswith(f"the certificate from {HOST} cannot be used: ")
    assert acme_store.open_store(settings).load_certificate("leaf.pem") == good


def test_a_key_of_another_certificate_is_refused(settings: Settings) -> None:
    chain = pem(leaf(NAME).make(), MIDDLE.make()).decode()
    with (
        acme_store.open_store(settings).hold_lock(),
        pytest.raises(RunbookError, match="the key does not match"),
    ):
        acme_store.keep_certificate(settings, chain, new_key())


@pytest.mark.parametrize(("content", "problem"), [(b"?", "holds no certificate"), (None, "cannot")])
def test_a_file_of_roots_that_cannot_be_read_is_named(
    settings: Settings, content: bytes | None, problem: str
) -> None:
    assert settings.tls.acme
    assert settings.tls.acme.ca
    settings.tls.acme.ca.unlink()
    if content is not None:
        settings.tls.acme.ca.write_bytes(content)
    with pytest.raises(RunbookError, match=problem):
        keep(settings)


# -- the tasks


def test_a_certificate_that_is_due_still_deploys_and_shows_in_a_plan(settings: Settings) -> None:
    old = keep(settings, leaf(NAME, start=NOW - 70 * DAY, end=NOW + 20 * DAY))
    assert ready_material(settings, may_issue=False) is None, "the plan says that one is issued"
    material = ready_material(settings, may_issue=True)
    assert material
    assert material.fingerprint == status._certificate_facts(old)["fingerprint"]


def test_before_the_first_order_our_own_authority_issues(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The public authority must reach nginx, and nginx needs a certificate to start."""
    monkeypatch.setattr(certs, "_refuse_new_authority", lambda settings: None)
    assert ready_material(settings, may_issue=False) is None
    material = ready_material(settings, may_issue=True)
    own = Store(settings.tls.store, settings.name).load_certificate("leaf.pem")
    assert material
    assert own
    assert material.fingerprint == status._certificate_facts(own)["fingerprint"]
    assert trust_bundle(settings) == settings.tls.store / "bundle.pem"


class Deploys:
    """Instead of hosts: what was deployed and ordered, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int = OK) -> None:
        self.done: list[str] = []
        self.refusal: RunbookError | None = None

        def deploy(settings: Settings, names: Sequence[str], options: DeployOptions) -> int:
            self.done.append(options.task)
            return code

        def order(settings: Settings, show: ShowLine, *, force: bool, ask: bool = False) -> None:
            show("ordering")
            if self.refusal:
                raise self.refusal
            self.done.append(f"order force={force} ask={ask}")

        monkeypatch.setattr(certificates, "deploy_hosts", deploy)
        monkeypatch.setattr(certificates, "order_if_due", order)


def test_a_deploy_orders_what_is_due_and_installs_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploys = Deploys(monkeypatch)
    assert certificates.deploy_and_renew(settings, [], DeployOptions()) == OK
    assert deploys.done == ["deploy", "order force=False ask=False", "certs.renew"]
    keep(settings)
    assert certificates.deploy_and_renew(settings, [], DeployOptions()) == OK
    assert deploys.done[3:] == ["deploy"]


def test_stdout_keeps_the_json_of_the_deploy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Deploys(monkeypatch)
    assert certificates.deploy_and_renew(settings, [], DeployOptions(json="-")) == OK
    assert capsys.readouterr() == ("", "ordering\n")
    assert certificates.deploy_and_renew(settings, [], DeployOptions()) == OK
    assert capsys.readouterr() == ("ordering\n", "")


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        ((), DeployOptions(), 1),
        ((), DeployOptions(dry=True), OK),
        (("edge1", "node1"), DeployOptions(), OK),
        (("node1",), DeployOptions(), OK),
    ],
)
def test_a_deploy_that_failed_or_left_an_edge_out_orders_nothing(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    names: Sequence[str],
    options: DeployOptions,
    code: int,
) -> None:
    deploys = Deploys(monkeypatch, code)
    assert certificates.deploy_and_renew(settings, names, options) == code
    assert deploys.done == ["deploy"]


def test_a_deploy_whose_order_is_refused_needs_a_person(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploys = Deploys(monkeypatch)
    deploys.refusal = RunbookError("no", KEPT, "dig")
    with pytest.raises(RunbookError) as error:
        certificates.deploy_and_renew(settings, [], DeployOptions())
    assert (error.value.code, error.value.why) == (DIFFERS, f"the deploy is done; {KEPT}")
    assert deploys.done == ["deploy"]


def test_a_renewal_asks_the_authority_whether_it_wants_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploys = Deploys(monkeypatch)
    certificates.renew_certificate(settings, force=False, dry=False, json=None)
    certificates.issue_certificate(settings, force=True, dry=False, json=None)
    certificates.renew_certificate(settings, force=False, dry=True, json=None)
    assert deploys.done == [
        "order force=False ask=True",
        "certs.renew",
        "order force=True ask=False",
        "certs.issue",
        "certs.renew",
    ]


def test_there_is_no_authority_of_ours_to_rotate_or_to_trust(settings: Settings) -> None:
    for rotate in (
        certificates.prepare_authority,
        certificates.rotate_authority,
        certificates.finish_rotation,
    ):
        with pytest.raises(RunbookError, match=f"the certificate comes from {HOST}"):
            rotate(settings, None)
    with pytest.raises(RunbookError, match="comes from a public authority"):
        trust.show_trust(settings, out=None, install=False, json=None)


def test_status_names_the_right_command(settings: Settings) -> None:
    def judged(*edges: judge.ServedCertificate, later: timedelta = 0 * DAY) -> judge.Judged:
        return judge.judge_certificates(settings, list(edges), NOW + later)

    none = f"a certificate must be ordered from {HOST}: there is none yet"
    assert judged().problems == [(none, "inv certs.issue")]
    edge = judge.ServedCertificate("edge1", "192.0.2.11:443", keep(settings))
    assert judged(edge).problems == []
    ((problem, next_),) = judged(edge, later=45 * DAY).problems
    assert problem.startswith(f"a certificate must be ordered from {HOST}: two thirds of its")
    assert next_ == "inv certs.renew"
    other = replace(edge, certificate=leaf(NAME).make())
    assert judged(other).problems == [
        ("edge1 serves another certificate than the store holds", "inv certs.renew")
    ]
    (acme_store.open_store(settings).folder / "leaf.pem").write_bytes(b"?")
    damaged = judged(edge)
    assert damaged.unread
    assert "leaf.pem is damaged" in damaged.problems[0][0]
