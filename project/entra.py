"""Bearer tokens of Microsoft Entra ID, beside our own keys: whose they are, if they are good at all."""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import Any

import httpx2
import jwt
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from jwt import PyJWK, PyJWKClient, PyJWKClientConnectionError, PyJWKClientError, PyJWTError

from project.audit import audit
from project.models import ApiKey, OuterIdentity

log = logging.getLogger(__name__)

ALGORITHMS = ["RS256"]  # What Entra ID signs with. Never what a token asks for.
CLOCKS_DIFFER_S = 60
NO_ANSWER = "The issuer of this token does not answer."
PATIENCE_S = 5
PAUSE_S = 20  # So long an issuer that does not answer is left alone: calls would wait in vain, one for the other.
ADDRESSES = ("email", "preferred_username", "upn")


class IssuerGone(Exception):
    """The issuer's keys cannot be had at the moment, and without them nothing can be told."""


_asked_again_at: dict[str, float] = {}  # by issuer, on the clock of this process


def looks_like_one(secret: str) -> bool:
    """Whether this is to be read as a token: three parts, and an issuer is set up."""
    return bool(settings.ENTRA_ISSUER) and secret.count(".") == 2


def key_of(token: str) -> ApiKey | None:
    """What the token stands for, as a key that is kept nowhere: it may do what its person may. None: it is no good.

    Raises IssuerGone.
    """
    claims = _claims(token)
    user = _person(claims) if claims else None
    if user is None or not user.is_active:
        return None
    return ApiKey(user=user, name="Entra ID", scope=ApiKey.Scope.ADMIN if user.is_staff else ApiKey.Scope.WRITE)


def issuers() -> list[str]:
    """The issuer, and for a tenant of Entra ID the name that it has in tokens of the first version."""
    former = f"https://sts.windows.net/{settings.ENTRA_TENANT}/"
    return [settings.ENTRA_ISSUER, former] if settings.ENTRA_TENANT else [settings.ENTRA_ISSUER]


def _claims(token: str) -> dict[str, Any] | None:
    rules: dict[str, Any] = {"audience": settings.ENTRA_AUDIENCES, "issuer": issuers(), "leeway": CLOCKS_DIFFER_S}
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
            return None
        # Nobody is asked for keys because of a token that is not even said to be for us.
        jwt.decode(token, options={"verify_signature": False, "verify_aud": True, "verify_iss": True}, **rules)
        signing = _signing_key(header["kid"])
        required = {"require": ["exp", "iss", "aud", "sub"]}
        return jwt.decode(token, signing.key, algorithms=ALGORITHMS, options=required, **rules)  # type: ignore[arg-type]
    except (PyJWTError, PyJWKClientError, ValueError) as exc:
        log.info("token_refused %s", type(exc).__name__)
        return None


def _signing_key(kid: str) -> PyJWK:
    issuer = settings.ENTRA_ISSUER
    if time.monotonic() < _asked_again_at.get(issuer, 0):
        raise IssuerGone(NO_ANSWER)
    try:
        return _keys(issuer).get_signing_key(kid)
    except (httpx2.HTTPError, PyJWKClientConnectionError) as exc:
        log.warning("issuer_gone %s: %s", issuer, exc)
        _asked_again_at[issuer] = time.monotonic() + PAUSE_S
        raise IssuerGone(NO_ANSWER) from exc


@cache
def _keys(issuer: str) -> PyJWKClient:
    """The issuer's keys, fetched when they are needed, kept for five minutes, and asked for anew for an unknown one."""
    told = httpx2.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", timeout=PATIENCE_S)
    try:
        return PyJWKClient(told.raise_for_status().json()["jwks_uri"], timeout=PATIENCE_S)
    except (PyJWKClientError, ValueError, KeyError, TypeError) as exc:
        raise PyJWKClientConnectionError(f"its description tells of no keys: {type(exc).__name__}") from exc


def _person(claims: dict[str, Any]) -> User | None:
    """Whom the token names: whoever it named before, else the one account of this address, else perhaps a new one."""
    subject = str(claims.get("oid") or claims["sub"])
    known = OuterIdentity.objects.select_related("user").filter(issuer=settings.ENTRA_ISSUER, subject=subject).first()
    if known:
        return known.user
    address = next((str(claims[name]) for name in ADDRESSES if "@" in str(claims.get(name, ""))), "")
    # Where anybody may sign up, the address of an account proves nothing.
    may_match = bool(address) and not settings.ACCOUNT_OPEN_FOR_SIGNUP
    alike = list(User.objects.filter(email__iexact=address)[:2]) if may_match else []
    if len(alike) > 1:  # Never a guess at who it is.
        return None
    try:
        with transaction.atomic():
            user = alike[0] if alike else _new(address, subject)
            if user is not None:
                row = OuterIdentity.objects.create(user=user, issuer=settings.ENTRA_ISSUER, subject=subject)
                audit("identity.create", row, by=user)
            return user
    except IntegrityError:  # The same person came twice at this moment.
        known = OuterIdentity.objects.filter(issuer=settings.ENTRA_ISSUER, subject=subject).first()
        return known.user if known else None


def _new(address: str, subject: str) -> User | None:
    if not settings.ENTRA_NEW_PEOPLE:
        return None
    user = User(username=(address or subject)[:150], email=address[:254])
    user.set_unusable_password()
    user.save(force_insert=True)
    return user
