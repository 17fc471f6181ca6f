"""What may be forgotten at any moment: small values in Redis, for so long. Without Redis nothing is kept."""

import logging
from typing import cast

import redis

from project.limits import connection

log = logging.getLogger(__name__)


def kept(key: str) -> bytes | None:
    try:
        return cast("bytes | None", connection().get(key))
    except redis.RedisError as exc:
        log.warning("nothing is read from the cache, Redis does not answer: %s", exc)
        return None


def keep(key: str, value: bytes, seconds: int) -> None:
    try:
        connection().set(key, value, ex=seconds)
    except redis.RedisError as exc:
        log.warning("nothing is kept in the cache, Redis does not answer: %s", exc)
