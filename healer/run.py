"""The loop: look, judge, ask the guard, act; about once a second."""

from __future__ import annotations

import io
import os
import random
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from functools import partial

from . import guard
from .config import Config, parse
from .edges import Edges
from .judge import judge
from .model import Act, Decision, Observation, Ping, Verdict, View
from .record import Record, notify
from .senses import Senses
from .stages import Absence, Failed

POLL = 1.0
LOOK_AROUND = 3.0
"""Seconds between looks at the edges while nothing is to be done."""
WELL = 8.0
"""Seconds of good answers after which a restart has helped."""
AGAIN = 60.0
"""Seconds before a recycle that was given up is tried again."""
FIGURES = 15.0


class Healer:
    """One node's healer."""

    def __init__(self, config: Config, guarded: bool) -> None:
        self.config, self.guarded = config, guarded
        self.edges, self.senses, self.record = Edges(config), Senses(config), Record(config.run)
        self.seen: deque[Observation] = deque(maxlen=120)
        self.views: list[View] = []
        self.held = False
        self.vain = 0
        self._restarts = -1
        """systemd's count when the app was last well; -1: not seen yet."""
        self._looked = self._wrote = float("-inf")
        self._not_before = 0.0
        self._well_since = self._last_well = time.monotonic()

    def run(self) -> None:
        """For ever."""
        if left := self.edges.lift():
            self.record.say(
                f"put back at {' and '.join(left)}: a previous instance of this healer had drained"
                " this node"
            )
        self.record.end()
        notify("READY=1")
        while True:
            began = time.monotonic()
            self.turn()
            notify("WATCHDOG=1")
            # Never in step with the peer's healer.
            time.sleep(max(0.05, POLL * random.uniform(0.9, 1.0) - (time.monotonic() - began)))

    def turn(self) -> None:
        """One look, and what follows from it."""
        now = self.senses.look()
        self._note(now)
        self.seen.append(now)
        if now.at - self._looked > LOOK_AROUND:
            self.look_around()
        decision = judge(self.config, self.seen, self.vain, guard.peer_age(self.config, self.views))
        if decision.act is Act.NOTHING:
            held = "; somebody has drained this node" if self.held else ""
            self.record.say(decision.sentence + held)
        elif now.at >= self._not_before or decision.act is Act.RESTART:
            self._try(decision, now)
        if now.at - self._wrote > FIGURES:
            self._wrote = now.at
            self.record.write(now.rss, now.age)

    def look_around(self) -> None:
        """Ask the edges, and take back a drain of ours that should not be."""
        self.views = self.edges.views()
        self._looked = time.monotonic()
        if left := self.edges.ready(self.views):
            self.record.say(
                f"put back at {' and '.join(left)}: a drain of this healer's was left there"
            )
        self.held = guard.drained_by_another(self.config, self.views)

    def _note(self, now: Observation) -> None:
        """Keep account of how long the app was not well, and of crashes, which systemd has
        mended by itself."""
        if not now.active or now.ping not in (Ping.OK, Ping.BUSY):
            self._well_since = now.at
            return
        if now.restarts > self._restarts >= 0:
            self.record.restarted("crash")
            self.record.recovered("crash", now.at - self._last_well)
            self.record.say(
                "the app exited; systemd restarted it, serving again after"
                f" {self.record.last:.1f} s"
            )
            self._wrote = float("-inf")
        self._restarts = now.restarts  # a restart by hand begins at 0 again
        self._last_well = now.at
        if now.at - self._well_since > WELL:
            self.vain = 0

    def _try(self, decision: Decision, now: Observation) -> None:
        ill_for = now.at - self._last_well
        if self.guarded:
            self.look_around()
            locked = deploying(self.config.lock)
            verdict = guard.may(
                self.config, decision, self.views, ill_for=ill_for, locked=locked, held=self.held
            )
            if verdict.go and not self.edges.lease():
                verdict = Verdict(False, "the other node is away on purpose; the lease says so")
            if not verdict.go:
                self.record.say(f"{decision.act.value} put off: {decision.sentence}; {verdict.why}")
                return
        self._act(decision, now)

    def _act(self, decision: Decision, now: Observation) -> None:
        self.record.say(f"{decision.act.value}: {decision.sentence}")
        self.record.begin(decision.sentence)
        try:
            beat = partial(notify, "WATCHDOG=1")
            Absence(self.config, self.edges, beat, guarded=self.guarded).perform(decision, now)
        except Failed as failed:
            self._not_before = time.monotonic() + AGAIN
            self.vain += decision.act is Act.RESTART
            self.record.say(f"{decision.act.value} failed: {failed}")
            return
        finally:
            self.record.end()
            self._looked = float("-inf")
        self._done(decision, now)

    def _done(self, decision: Decision, now: Observation) -> None:
        """It came up; does it work?"""
        after, done = self.senses.look(), f"{decision.act.value} done ({decision.cause})"
        drained = decision.act is Act.RECYCLE
        self.vain += not drained
        self.record.restarted(decision.cause)
        self.seen.clear()
        self.seen.append(after)
        self._wrote = float("-inf")
        if after.ping not in (Ping.OK, Ping.BUSY):
            self.record.say(f"{done}, and still {self.config.health} {after.ping.value}")
            return
        self.record.recovered(decision.cause, 0.0 if drained else after.at - self._last_well)
        self.record.say(
            f"{done}: serving again after"
            f" {after.at - (now.at if drained else self._last_well):.1f} s"
        )
        self._last_well = after.at


def deploying(lock: str) -> str:
    """Who holds the node for a deploy; empty when nobody does, the lock has expired, or a drill
    has it, which is to see us heal."""
    try:
        with open(lock, encoding="utf-8", errors="replace") as file:
            said = dict(line.split("=", 1) for line in file.read().splitlines() if "=" in line)
    except OSError:
        return ""
    expires = said.get("expires", "")
    task = said.get("task", "deploy")
    if not expires.isdigit() or int(expires) <= time.time() or task.startswith("drill"):
        return ""
    return f"{said.get('who', 'somebody')}'s {task}"


def main(words: Sequence[str]) -> None:
    """`run CONFIG` or `lift CONFIG`."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            encoding="utf-8", errors="replace"
        )  # the journal's, whatever LANG the host's units get
    task, path = words
    with open(path, encoding="utf-8") as file:
        config = parse(file.read())
    if "HEALER_LIFETIME" in os.environ:  # a drill's word, for as long as it lasts
        config = config._replace(lifetime=float(os.environ["HEALER_LIFETIME"]))
    if task == "lift":
        Edges(config).lift()
        Record(config.run).end()
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leaves through every `finally`
    Healer(config, guarded=os.environ.get("HEALER_GUARD") != "off").run()
