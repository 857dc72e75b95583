"""The menu of `fab`: incidents."""

from __future__ import annotations

from typing import Any

from invoke import Collection, Task, task

from ..console.task import JSON, VERBOSE, run_as_task


@task(help={"only-evidence": "write the bundle, and name no cause", **JSON, **VERBOSE})
@run_as_task
def triage(
    c: Any, only_evidence: bool = False, json: str | None = None, verbose: bool = False
) -> int:
    """Collect evidence, and name the cause.

    Read-only. Writes one folder with what was seen, without secrets, and a timeline. Names the
    likeliest cause first, each with what was seen and the command to type.

    Exit 0: nothing is wrong. 1: users notice it. 2: a person must act.
    """
    from ..flows.incident import IncidentOptions, triage_incident
    from ..settings.site_file import load_settings

    options = IncidentOptions(only_evidence=only_evidence, json=json)
    return triage_incident(load_settings(), options)


NAMES = {
    "app-down": "one app node does not serve",
    "app-slow": "an app answers later than promised",
    "app-leak": "an app is near its memory limit",
    "both-down": "no app node serves",
    "node-down": "an app node does not answer",
    "bad-release": "a release failed the gate",
    "overload": "more requests wait than nodes can take",
    "db-down": "PostgreSQL does not answer",
    "db-locked": "a session holds a lock",
    "db-slow": "indexes are missing or invalid",
    "db-connections": "the database's connections are used up",
    "disk-full": "a file system has no room or no inodes",
    "edge-down": "an edge does not serve",
    "edge-drift": "an edge is not as the plan says",
    "cache-stale": "cached answers are not renewed",
    "certificate": "the certificate ends soon, or is wrong",
    "clock": "a host's clock is wrong",
}
"""The incidents for which there is a rule in incidents/hypotheses.py, and what each is."""


def _make_task(name: str, sentence: str) -> Task[Any]:
    def body(
        c: Any,
        only_evidence: bool = False,
        yes: bool = False,
        reason: str = "",
        json: str | None = None,
        verbose: bool = False,
    ) -> int:
        from ..flows.incident import IncidentOptions, triage_incident
        from ..settings.site_file import load_settings

        options = IncidentOptions(name, only_evidence, yes, reason, json)
        return triage_incident(load_settings(), options)

    body.__name__ = name.replace("-", "_")
    body.__doc__ = f"""{sentence[0].upper()}{sentence[1:]}?

    Collects the evidence of every host into one folder, and shows what speaks for this cause. Then
    it offers the act that removes it, and asks before it acts. Afterwards it reads the hosts again.

    Exit 0: no sign of it, or the act removed it. 1: users notice it, or another cause that the act
    has left. 2: a person must act.
    """
    helps = {
        "only-evidence": "write the bundle; name no cause and do nothing",
        "yes": "do the act without a question (without a terminal nothing is done otherwise)",
        "reason": "why; kept in the journal",
        **JSON,
        **VERBOSE,
    }
    made: Task[Any] = task(help=helps)(run_as_task(body))
    return made


namespace = Collection(triage)
for _name, _sentence in NAMES.items():
    namespace.add_task(_make_task(_name, _sentence), _name)
