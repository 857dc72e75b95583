"""`python -m lab up`: the lab's tasks alone, without the other tasks of `inv`."""

from __future__ import annotations

import sys

from invoke import Program

from .executor import MenuExecutor
from .tasks import ns


class _LabExecutor(MenuExecutor):
    binary = "python -m lab"


if __name__ == "__main__":
    program = Program(namespace=ns, name="lab", binary="python -m lab", executor_class=_LabExecutor)
    program.run(["python -m lab", *sys.argv[1:]])
