"""How `inv` runs tasks: as invoke does, except for an option in the place of a name.

Invoke's parser takes whatever follows `inv lab.ssh` for the host's name, even `--help`. invoke.yaml
names this class in `tasks.executor_class`.
"""

from __future__ import annotations

from typing import Any

from invoke import Executor, Exit, Program

HELP = ("-h", "--help")


class MenuExecutor(Executor):
    """Shows a task's help for `--help` in the place of a name; refuses any other option there."""

    binary = "inv"
    """The name of the program in its help."""

    def execute(self, *tasks: Any) -> Any:
        """Run the tasks.

        Raises:
            Exit: an option stands in the place of a name, or the help was shown.
        """
        for task in tasks:
            for typed in _positional_words(task):
                if typed in HELP:
                    menu = Program(namespace=self.collection, name=self.binary, binary=self.binary)
                    menu.run([self.binary, "--help", task.name])
                if typed.startswith("-"):
                    help = f"{self.binary} --help {task.name}"
                    raise Exit(f"{task.name} has no option {typed}\n  next: {help}", code=1)
        return super().execute(*tasks)


def _positional_words(task: Any) -> list[str]:
    """Return the words that were typed for the task's positional arguments."""
    arguments = task.args.values() if hasattr(task, "args") else ()
    return [str(argument.value) for argument in arguments if argument.positional and argument.value]
