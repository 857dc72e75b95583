"""Ask an ACME authority for a certificate (RFC 8555), with certbot's own library.

The library is heavy, so other modules import this one inside their functions.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import josepy
import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ..engine import interrupt
from ..engine.errors import RunbookError
from ..engine.files import replace_file
from ..settings.settings import Acme
from .acme_network import ORDER_SECONDS, AcmeNetwork
from .acme_words import AGAIN, KEPT

Publish = Callable[[Mapping[str, str]], AbstractContextManager[object]]
"""Lets the edges give these answers, by token, while its block runs."""


class AcmeClient:
    """The account of this controller at the authority `acme`; `account` is the file that keeps it.

    Every method raises RunbookError, with the authority's own words, when the authority cannot be
    reached or refuses.
    """

    def __init__(self, acme: Acme, account: Path) -> None:
        self.acme, self.account = acme, account
        self._key, uri = self._load_account()
        self._net = AcmeNetwork(acme, account, self._key)
        if uri:
            regr = messages.RegistrationResource(uri=uri, body=messages.Registration())
            self._net.account = regr
        self._client = client.ClientV2(self._read_directory(), self._net)

    def order(
        self, names: Sequence[str], publish: Publish
    ) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """Order a certificate for the DNS `names`, with a new key; return the chain in PEM, and the
        key.

        Raises:
            RunbookError: see above; and what `publish` raises.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        csr = crypto_util.make_csr(private, list(names))
        deadline = datetime.now() + timedelta(seconds=ORDER_SECONDS)
        with self._net.explain_errors():
            order = self._open_order(csr)
            self._prove_names(order, publish, deadline)
            finished = self._client.finalize_order(order, deadline)
        return str(finished.fullchain_pem), key

    def suggests_renewal(self, leaf: x509.Certificate) -> bool:
        """Whether the authority wants `leaf` to be renewed now (RFC 9773), for example because it
        must revoke it. False if it cannot be asked."""
        pem = leaf.public_bytes(serialization.Encoding.PEM)
        with contextlib.suppress(errors.Error, josepy.Error, ValueError, x509.ExtensionNotFound):
            at, _ = self._client.renewal_time(pem)
            return at is not None and at <= datetime.now(UTC)
        return False

    def _read_directory(self) -> messages.Directory:
        with self._net.explain_errors():
            try:
                directory = client.ClientV2.get_directory(self.acme.directory, self._net)
                missing = {
                    "newNonce",
                    "newAccount",
                    "newOrder",
                } - directory.to_partial_json().keys()
            except (AttributeError, TypeError):
                raise errors.ClientError("the JSON of another service") from None
            if missing:
                raise errors.ClientError(f"it names no {', '.join(sorted(missing))}")
        return directory

    # -- the account

    def _load_account(self) -> tuple[josepy.JWK, str]:
        """The key of the account, and its URL; empty if it is not registered yet."""
        try:
            data = json.loads(self.account.read_text(encoding="utf-8"))
            key = josepy.JWK.from_json(data["key"])
            if not isinstance(key, josepy.JWKEC):  # it signs with ES256
                raise TypeError
            return key, str(data["url"])
        except FileNotFoundError:
            return josepy.JWKEC(key=ec.generate_private_key(ec.SECP256R1())), ""
        except (OSError, ValueError, KeyError, TypeError, josepy.Error):
            raise RunbookError(
                f"{self.account} cannot be read, or holds no account",
                f"it proves to the authority who orders; {KEPT}",
                f"mv {self.account} {self.account}.old, then {AGAIN}   (it makes a new account)",
            ) from None

    def _register(self) -> None:
        """Make an account for our key, or find the one that the authority has for it."""
        # Signed with the key itself: there is no account yet.
        self._net.account = None
        wanted = messages.NewRegistration.from_data(
            email=self.acme.email or None, terms_of_service_agreed=True
        )
        try:
            regr = self._client.new_account(wanted)
        except errors.ConflictError as error:
            regr = messages.RegistrationResource(uri=error.location, body=messages.Registration())
            self._net.account = regr
        text = json.dumps({"key": self._key.to_json(), "url": regr.uri})
        replace_file(self.account, text, 0o600)

    def _open_order(self, csr: bytes) -> messages.OrderResource:
        if self._net.account is not None:
            try:
                return self._client.new_order(csr)
            except messages.Error as error:
                # The authority forgot an account that was not used for a long time.
                if error.code != "accountDoesNotExist":
                    raise
        self._register()
        return self._client.new_order(csr)

    # -- the names

    def _prove_names(
        self, order: messages.OrderResource, publish: Publish, deadline: datetime
    ) -> None:
        """Answer the question for each name that the authority does not know to be ours."""
        asked = [
            (authorization, self._find_question(authorization))
            for authorization in order.authorizations
            if authorization.body.status != messages.STATUS_VALID
        ]
        if not asked:
            return
        answers = {
            question.chall.encode("token"): question.chall.key_authorization(self._key)
            for _, question in asked
        }
        with publish(answers):
            for _, question in asked:
                self._client.answer_challenge(question, question.chall.response(self._key))
            for authorization, _ in asked:
                self._await_verdict(authorization, deadline)

    def _find_question(self, authorization: messages.AuthorizationResource) -> Any:
        for question in authorization.body.challenges:
            if isinstance(question.chall, challenges.HTTP01):
                return question
        name = authorization.body.identifier.value
        raise self._net.refusal("", "it does not offer to check this name by http-01", name)

    def _await_verdict(
        self, authorization: messages.AuthorizationResource, deadline: datetime
    ) -> None:
        """Wait until the authority has asked for the name.

        Raises:
            RunbookError: it got a wrong answer, or none; or it needs too long.
        """
        name = authorization.body.identifier.value
        while True:
            authorization, response = self._client.poll(authorization)
            if authorization.body.status == messages.STATUS_VALID:
                return
            if authorization.body.status not in (
                messages.STATUS_PENDING,
                messages.STATUS_PROCESSING,
            ):
                failed = [part.error for part in authorization.body.challenges if part.error]
                code, words = (
                    (failed[0].code or "", failed[0].detail or str(failed[0]))
                    if failed
                    else ("", "it gives no reason")
                )
                raise self._net.refusal(code, words, name)
            self._pause(response, deadline)

    def _pause(self, response: requests.Response, deadline: datetime) -> None:
        """Wait as long as the authority asks for, by default 1 s."""
        interrupt.check()
        until = self._client.retry_after(response, 1)
        if until > deadline:
            raise errors.TimeoutError
        time.sleep(max((until - datetime.now()).total_seconds(), 0.2))
