"""sslyze's judgement of a TLS server against Mozilla's intermediate profile."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ..engine.addresses import is_ip
from ..engine.errors import RunbookError
from .tls import Secure

if TYPE_CHECKING:
    from sslyze import ServerScanResult
    from sslyze.mozilla_tls_profile.tls_config_checker import TlsConfigurationAsJson

PROFILE = "Mozilla's intermediate profile 6.0"


def profile_issues(secure: Secure) -> list[str]:
    """What `sslyze --mozilla_config intermediate` lists, a sentence each; empty when compliant.
    Blocks for a second or more.

    A chain that leads to no known authority is no issue where none was given: self-signed is
    allowed (R14).

    Raises:
        RunbookError: sslyze could not finish its scan.
    """
    from sslyze.mozilla_tls_profile import tls_config_checker as mozilla

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of old authorities in the trust stores that sslyze brings along
        result = _scan_server(secure)
    try:
        mozilla.check_server_against_tls_configuration(result, _intermediate_profile())
    except mozilla.ServerNotCompliantWithTlsConfiguration as found:
        untrusted = "" if secure.bundle else "certificate_path_validation"
        return [
            " ".join(text.split()) for issue, text in found.issues.items() if issue != untrusted
        ]
    except mozilla.ServerScanResultIncomplete as error:
        said = result.connectivity_error_trace
        raise RunbookError(
            f"sslyze could not finish: {said.exc_type.__name__ if said else error}",
            "the TLS profile was not judged",
            f"python -m sslyze --mozilla_config intermediate {secure.host}:{secure.port}",
        ) from None
    return []


def _intermediate_profile() -> TlsConfigurationAsJson:
    """Version 6.0. sslyze 6.3 brings 5.7; 6.0 dropped the DHE suites and added a group (which
    sslyze cannot see yet)."""
    from sslyze.mozilla_tls_profile.tls_config_checker import (
        MozillaTlsConfiguration,
        TlsConfigurationEnum,
    )

    known = MozillaTlsConfiguration.get(TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
    suites = {suite for suite in known.ciphers.iana if "_DHE_" not in suite}
    ciphers = known.ciphers.model_copy(update={"iana": suites})
    return known.model_copy(
        update={"ciphers": ciphers, "tls_curves": known.tls_curves | {"X25519MLKEM768"}}
    )


def _scan_server(secure: Secure) -> ServerScanResult:
    from sslyze import (
        CertificateInfoExtraArgument,
        ScanCommandsExtraArguments,
        Scanner,
        ServerNetworkConfiguration,
        ServerNetworkLocation,
        ServerScanRequest,
    )
    from sslyze.mozilla_tls_profile.tls_config_checker import (
        SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER as NEEDED,
    )

    address = secure.host if is_ip(secure.host) else None
    scanner = Scanner(per_server_concurrent_connections_limit=5)
    scanner.queue_scans(
        [
            ServerScanRequest(
                ServerNetworkLocation(secure.called, secure.port, address),
                ServerNetworkConfiguration(secure.called),
                set(NEEDED),
                (
                    ScanCommandsExtraArguments(CertificateInfoExtraArgument(secure.bundle))
                    if secure.bundle
                    else ScanCommandsExtraArguments()
                ),
            )
        ]
    )
    return next(iter(scanner.get_results()))
