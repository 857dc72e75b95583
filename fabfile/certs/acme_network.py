"""Requests to an ACME authority, and its errors in our words. Import this inside functions only:
the library is heavy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import josepy
import requests
from acme import client, errors, messages

from ..engine.errors import RunbookError
from ..settings.settings import Acme
from .acme_words import AGAIN, KEPT, AcmeRefusal, explain_refusal, quote_words, read_retry_after
from .chain import MACHINE

ANSWER_SECONDS = 30
"""The authority answers a request within this time."""
ORDER_SECONDS = 180
"""An order ends within this time. Let's Encrypt needs 5 to 20 s, most of them for the validation
from several places of the internet."""
NONCE_TRIES = 8
"""A request is sent again this often when the authority does not like its nonce."""


class AcmeNetwork(client.ClientNetwork):
    """The library's network, which sends a request again after a bad nonce, and remembers when the
    last answer wants us to come again. `key` signs the requests."""

    def __init__(self, acme: Acme, account_file: Path, key: josepy.JWK) -> None:
        super().__init__(key, alg=josepy.ES256, user_agent="runbook", timeout=ANSWER_SECONDS)
        self.acme, self.account_file = acme, account_file
        self.host = urlsplit(acme.directory).netloc
        trusted = acme.ca or MACHINE
        # The library's hints name a flag, but it passes a path on to requests.
        self.verify_ssl = str(trusted) if trusted.exists() else True  # type: ignore[assignment]
        self.retry_after = ""
        self.session.hooks["response"].append(self._remember)

    def _remember(self, response: requests.Response, *args: Any, **more: Any) -> None:
        self.retry_after = response.headers.get("Retry-After", "")

    def post(self, *args: Any, **more: Any) -> requests.Response:
        """Send a signed request. The library itself repeats it only once after a bad nonce."""
        for _ in range(NONCE_TRIES - 1):
            try:
                return super().post(*args, **more)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **more)

    def refusal(self, code: str, detail: str, name: str = "") -> RunbookError:
        """The error for what the authority refused, for `name` if that is not empty."""
        retry_at = read_retry_after(self.retry_after, datetime.now(UTC))
        refusal = AcmeRefusal(code, detail, name, retry_at)
        return explain_refusal(self.host, refusal, str(self.account_file))

    @contextlib.contextmanager
    def explain_errors(self) -> Iterator[None]:
        """Turn the library's errors into ours, with the authority's own words."""
        try:
            yield
        except messages.Error as error:
            raise self._explain_error(error) from None
        except errors.IssuanceError as failed:
            raise self._explain_error(failed.error) from None
        except errors.TimeoutError:
            raise RunbookError(
                f"{self.host} did not finish the order within {ORDER_SECONDS} s", KEPT, AGAIN
            ) from None
        except requests.RequestException as error:
            raise self._unreachable(error) from None
        except (errors.Error, josepy.Error) as error:
            raise self._unexpected(error) from None

    def _explain_error(self, error: messages.Error) -> RunbookError:
        """The error of the part that failed, where the authority names it."""
        worst = (error.subproblems or (error,))[0]
        name = worst.identifier.value if worst.identifier else ""
        return self.refusal(worst.code or error.code or "", worst.detail or str(worst), name)

    def _unreachable(self, error: requests.RequestException) -> RunbookError:
        cause: BaseException = error
        while cause.__cause__ or cause.__context__:
            cause = cause.__cause__ or cause.__context__ or cause
        ca = "   (a private authority: tls.acme.ca)" if "CERTIFICATE" in str(error) else ""
        return RunbookError(
            f"the authority {self.host} cannot be reached: {quote_words(str(cause))}",
            KEPT,
            f"curl -v {self.acme.directory}{ca}; then {AGAIN}",
        )

    def _unexpected(self, error: Exception) -> RunbookError:
        response = error.args[0] if error.args else None
        words = (
            f"http {response.status_code}"
            if isinstance(response, requests.Response)
            else quote_words(str(error)) or type(error).__name__
        )
        at = read_retry_after(self.retry_after, datetime.now(UTC))
        when = f", after {at:%Y-%m-%d %H:%M} UTC" if at else ""
        return RunbookError(
            f"{self.acme.directory} does not answer as an ACME authority does: {words}",
            KEPT,
            f"curl -v {self.acme.directory}; then {AGAIN}{when}",
        )
