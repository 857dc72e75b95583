"""Ctrl-C while something must be mended: the mending runs to its end, and is not forgotten to
have been asked for."""

from __future__ import annotations

import os
import signal

import pytest

from fabfile.engine import interrupt


def test_what_mends_is_not_ended_by_the_ctrl_c_before_it() -> None:
    with interrupt.defer():
        os.kill(os.getpid(), signal.SIGINT)
        with interrupt.ignore_earlier():
            interrupt.check()  # not raised
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
    interrupt.check()  # forgotten with the end of it all


def test_a_ctrl_c_of_its_own_ends_it() -> None:
    with interrupt.defer(), interrupt.ignore_earlier():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()


def test_who_breaks_off_the_mending_is_told_so() -> None:
    with interrupt.defer():
        os.kill(os.getpid(), signal.SIGINT)
        with interrupt.protect_undo():
            interrupt.check()  # what led here does not end it

    def broken_off() -> None:
        with interrupt.protect_undo():
            os.kill(os.getpid(), signal.SIGINT)
            interrupt.check()

    with interrupt.defer(), pytest.raises(interrupt.Aborted):
        broken_off()
