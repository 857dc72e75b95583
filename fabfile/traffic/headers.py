"""The headers of every sample request: `[load].headers` of the service file."""

from __future__ import annotations

from collections.abc import Mapping

from ..engine.errors import RunbookError
from ..engine.secret import Secret
from ..settings.service import Service


def fill_headers(program: Service, secrets: Mapping[str, Secret]) -> dict[str, Secret]:
    """The headers by name. `{{ secret.X }}` in a value stands for a secret of the site.

    Raises:
        RunbookError: a value names a secret that does not exist, or is no template.
    """
    from jinja2 import Environment, StrictUndefined, TemplateError

    environment = Environment(undefined=StrictUndefined, autoescape=False)
    known = {name: secret.reveal() for name, secret in secrets.items()}
    filled = {}
    for name, text in program.load.headers.items():
        try:
            filled[name] = Secret(environment.from_string(text).render(secret=known))
        except TemplateError as error:
            raise RunbookError(
                f"header {name} of [load] in the service file: {error.message}",
                "without it every sample request would be refused",
                f"the secrets of this service are: {', '.join(known) or 'none'}",
            ) from None
    return filled
