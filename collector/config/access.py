"""Settings for access: credentials, TLS, limits."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator

from collector.config.connections import check_certificates, check_pair
from collector.config.values import Cluster, FilePath
from duckwatch.base.config.values import BearerToken, Duration, Section, Size, at_least, from_bytes

if TYPE_CHECKING:
    from pathlib import Path


def _check_hmac_secret(value: SecretStr) -> SecretStr:
    if not 24 <= len(hmac_key(value)) <= 64:
        raise ValueError("must be whsec_ and the base64 of 24 to 64 random bytes")
    return value


def hmac_key(secret: SecretStr) -> bytes:
    """Return the key of a Standard Webhooks secret; empty if the secret is not valid."""
    prefix, _, encoded = secret.get_secret_value().partition("_")
    try:
        return base64.b64decode(encoded.encode("ascii"), validate=True) if prefix == "whsec" else b""
    except (binascii.Error, UnicodeEncodeError):
        return b""


class TokenSettings(Section):
    """One token of a sender, and its cluster. Without a cluster, each event may name one."""

    token: BearerToken
    cluster: Cluster | None = None


class HmacSettings(Section):
    """One secret with which a sender signs, and its cluster. A plain text in the configuration is the secret."""

    secret: Annotated[SecretStr, AfterValidator(_check_hmac_secret)]
    cluster: Cluster | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_text(cls, written: Any) -> Any:  # noqa: ANN401 - whatever was written
        return {"secret": written} if isinstance(written, str) else written

    @property
    def key(self) -> bytes:
        """The key of the signatures."""
        return hmac_key(self.secret)


class AuthSettings(Section):
    """The credentials of senders. Without tokens and secrets, only this machine may send."""

    tokens: tuple[TokenSettings, ...] = ()
    hmac_secrets: tuple[HmacSettings, ...] = ()
    hmac_tolerance: Annotated[Duration, at_least(timedelta(seconds=1))] = timedelta(minutes=5)

    @field_validator("tokens")
    @classmethod
    def _differ(cls, tokens: tuple[TokenSettings, ...]) -> tuple[TokenSettings, ...]:
        if len({token.token.get_secret_value() for token in tokens}) < len(tokens):
            raise ValueError("must not hold the same token twice")
        return tokens

    @field_validator("hmac_secrets")
    @classmethod
    def _secrets_differ(cls, secrets: tuple[HmacSettings, ...]) -> tuple[HmacSettings, ...]:
        if len({secret.key for secret in secrets}) < len(secrets):
            raise ValueError("must not hold the same secret twice")
        return secrets

    @property
    def is_open(self) -> bool:
        """True if no credential is needed."""
        return not self.tokens and not self.hmac_secrets


def _check_certificate(path: Path) -> Path:
    check_certificates(path)
    return path


class TlsSettings(Section):
    """The certificate of the server. Without one it speaks plain HTTP."""

    certificate: Annotated[FilePath, AfterValidator(_check_certificate)] | None = None
    key: FilePath | None = Field(default=None, validate_default=True)

    @field_validator("key")
    @classmethod
    def _go_together(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("certificate")
        if "certificate" in info.data and (key is None) != (certificate is None):
            raise ValueError("must be set together with certificate, and only then")
        if key is not None and certificate is not None:
            check_pair(certificate, key)
        return key

    @property
    def files(self) -> tuple[Path, Path] | None:
        """The files of the chain and its key, or None without TLS."""
        return None if self.certificate is None or self.key is None else (self.certificate, self.key)


class LimitSettings(Section):
    """Limits for one request, one token and all requests together."""

    body_bytes: Annotated[Size, from_bytes(1 << 10)] = 8 << 20
    inflight_bytes: Annotated[Size, from_bytes(1 << 10)] = 32 << 20
    events_per_second: Annotated[int, Field(gt=0)] | None = None
    read_timeout: Annotated[Duration, at_least(timedelta(milliseconds=100))] = timedelta(seconds=30)
    connections: Annotated[int, Field(gt=0)] = 1000

    @field_validator("inflight_bytes")
    @classmethod
    def _hold_one_body(cls, inflight_bytes: int, info: ValidationInfo) -> int:
        if inflight_bytes < info.data.get("body_bytes", 0):
            raise ValueError("must be at least body_bytes, or a large body could never be accepted")
        return inflight_bytes
