"""`python -m lab up`: the lab's menu without the rest of the runbook's."""

from __future__ import annotations

import sys

from invoke import Program

from .tasks import ns

if __name__ == "__main__":
    program = Program(namespace=ns, name="lab", binary="python -m lab")
    program.run(["python -m lab", *sys.argv[1:]])
