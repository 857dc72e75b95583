"""How `inv` runs tasks: as invoke does, but for options where a task wants a name.

Invoke's parser takes whatever follows `inv lab.ssh` for the host's name, `--help` too. Named by
`tasks.executor_class` in invoke.yaml.
"""

from __future__ import annotations

from typing import Any

from invoke import Executor, Exit, Program

HELP = ("-h", "--help")


class MenuExecutor(Executor):
    """Answers `--help` in the place of a name with the task's help, and refuses any other option
    there."""

    binary = "inv"
    """How the menu is called, for its help."""

    def execute(self, *tasks: Any) -> Any:
        """Run the tasks.

        Raises:
            Exit: an option stood where a name was wanted; or the help was shown.
        """
        for task in tasks:
            for typed in _positional(task):
                if typed in HELP:
                    menu = Program(namespace=self.collection, name=self.binary, binary=self.binary)
                    menu.run([self.binary, "--help", task.name])
                if typed.startswith("-"):
                    help = f"{self.binary} --help {task.name}"
                    raise Exit(f"{task.name} has no option {typed}\n  next: {help}", code=1)
        return super().execute(*tasks)


def _positional(task: Any) -> list[str]:
    """What was typed for the names that a task wants."""
    arguments = task.args.values() if hasattr(task, "args") else ()
    return [str(given.value) for given in arguments if given.positional and given.value]
