"""Firewall rules: drift is seen, and rules that lock us out do not stay."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from steptools import sentence

from fabfile.engine.channel import Result
from fabfile.engine.errors import RunbookError, Unreachable
from fabfile.engine.host import Address
from fabfile.engine.shell import Reading
from fabfile.steps import firewall
from fabfile.steps.firewall import ApplyRules, FirewallRules

RULES = "table inet x {\n}\n"
STEP = FirewallRules("/etc/runbook/firewall.nft", "inet x", RULES)
KERNEL = "--- loaded\n+++ kernel\n@@ -3 +3,2 @@\n policy drop\n+tcp dport 9999 accept\n"


def was(text: str) -> str:
    return base64.b64encode(text.encode()).decode() + "\n"


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (was(RULES) + "same\n", None),
        ("\n", "drop what the system does not need"),
        (was("table inet y {\n}\n") + "same\n", "change the firewall rules"),
        (was(RULES) + KERNEL, "load the firewall rules again: they were changed by hand"),
        (was(RULES), "load the firewall rules: they are not loaded"),
    ],
    ids=["right", "none", "other", "by hand", "flushed"],
)
def test_drift(out: str, said: str | None) -> None:
    assert sentence(STEP, out) == said


def test_a_change_by_hand_is_shown() -> None:
    change = STEP.decide(Reading(was(RULES) + KERNEL, 0))
    assert change is not None
    assert "+tcp dport 9999 accept" in change.diff


class HostOfRules:
    """A link that records its scripts; `cut`: the new rules cut even this connection."""

    def __init__(self, cut: bool) -> None:
        self.name, self.cut = "db1", cut
        self.address = Address("db1", "192.0.2.31", 22, "ops", None, Path("known"), 1)
        self.scripts: list[str] = []

    def run(self, script: str, **options: object) -> Result:
        self.scripts.append(script)
        if self.cut:
            raise Unreachable("db1 was lost")
        return Result("", "", 0)

    def close(self) -> None:
        self.scripts.append("closed")


def apply(monkeypatch: pytest.MonkeyPatch, answers: list[bool], *, cut: bool = False) -> list[str]:
    host = HostOfRules(cut)
    monkeypatch.setattr(firewall, "_answers", lambda address: answers.pop(0))
    monkeypatch.setattr(firewall, "CONFIRM_SECONDS", 0)
    ApplyRules("/etc/runbook/firewall.nft", "inet x", RULES).execute(host, lambda text: None)  # type: ignore[arg-type]
    return host.scripts


def test_rules_stay_only_after_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, kept = apply(monkeypatch, [True])
    # The way back is armed before the rules are loaded, and they are on no disk yet.
    assert tried.index("systemd-run") < tried.index(f"nft -f {firewall.FOLDER}/new.nft\n")
    assert "/etc/runbook/firewall.nft" not in tried
    assert kept.index("systemctl stop") < kept.index("/etc/runbook/firewall.nft")


@pytest.mark.parametrize("cut", [False, True])
def test_rules_that_lock_us_out_are_not_kept(monkeypatch: pytest.MonkeyPatch, cut: bool) -> None:
    answers = [True] if cut else [False, True]
    with pytest.raises(RunbookError) as caught:
        apply(monkeypatch, answers, cut=cut)
    assert "no new ssh connection came through the new firewall rules" in str(caught.value)
    assert "put its old rules back" in caught.value.why
