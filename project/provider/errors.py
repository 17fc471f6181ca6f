"""What can go wrong with a call, and what each caller does about it: one class for each thing done differently.

TABLE is the whole of it: from what the service said to our class, whether it is tried again, whether it counts as an
outage, whether another deployment may answer instead, the code in the log and the sentence for a person.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

import httpx2
import openai
from pydantic import ValidationError

from project.provider.pieces import Finding
from project.waiting import retry_after

log = logging.getLogger(__name__)

TOO_LONG = re.compile(
    r"(?i)context length|too (?:long|many tokens)|maximum (?:input|sequence) length|input is too large"
)
SEVERITIES = ("safe", "low", "medium", "high")


class ProviderError(Exception):
    """A call to the model failed; str(exc) may be shown to a person."""

    def __init__(self, sentence: str, code: str = "", *, falls_back: bool = False) -> None:
        super().__init__(sentence)
        self.code = code or type(self).__name__
        self.falls_back = falls_back  # Whether another deployment may well answer.


class ProviderBusy(ProviderError):
    """Worth trying again later: a rate limit, a timeout, a fault on their side."""

    def __init__(
        self, sentence: str, retry_after: float | None = None, code: str = "", *, falls_back: bool = False
    ) -> None:
        super().__init__(sentence, code, falls_back=falls_back)
        self.retry_after = retry_after  # Seconds the service asked to wait; None: it did not say.


class ProviderRefused(ProviderError):
    """Their content filter stopped the question or the answer."""

    def __init__(self, sentence: str, findings: Sequence[Finding] = (), code: str = "") -> None:
        super().__init__(sentence, code)
        self.findings = tuple(findings)


class ProviderMisconfigured(ProviderError):
    """Only the operator can mend it: a wrong key, an unknown deployment."""


class ProviderTooLong(ProviderError):
    """A text is longer than this model takes; shorter pieces of it may do."""


class ProviderInterrupted(ProviderError):
    """The answer broke off in the middle."""


class Malformed(Exception):
    """The service said something that is no answer in any shape we know."""


class StreamFault(Exception):
    """The service told of a fault in a stream that had begun."""

    def __init__(self, told: object) -> None:
        super().__init__("a fault in the stream")
        self.body: Mapping[str, Any] = told if isinstance(told, dict) else {}
        self.code, self.message = str(self.body.get("code") or ""), str(self.body.get("message") or "")


@dataclass(frozen=True)
class Rule:
    """What a fault is to us."""

    kind: type[ProviderError]
    code: str
    sentence: str
    is_retried: bool = False  # Before the first byte, and while the caller has patience.
    is_outage: bool = False  # Counts against the deployment's circuit.
    falls_back: bool = False


@dataclass(frozen=True)
class Fault:
    """A foreign error, as far as the table looks at it. `status` is 0 where there was no answer."""

    error: Exception
    status: int = 0
    code: str = ""
    message: str = ""

    @classmethod
    def of(cls, error: Exception) -> Fault:
        status = error.status_code if isinstance(error, openai.APIStatusError) else 0
        code = str(getattr(error, "code", None) or "")
        return cls(error, status, code, str(getattr(error, "message", "")))


def _is(*kinds: type[Exception]) -> Callable[[Fault], bool]:
    return lambda fault: isinstance(fault.error, kinds)


def _says(*codes: str) -> Callable[[Fault], bool]:
    return lambda fault: fault.code in codes


def _status(*statuses: int) -> Callable[[Fault], bool]:
    return lambda fault: fault.status in statuses


def _is_connecting(fault: Fault) -> bool:
    """Nothing was sent, so that nothing can have been billed."""
    cause = fault.error.__cause__
    return isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


def _is_too_long(fault: Fault) -> bool:
    return fault.code == "context_length_exceeded" or (fault.status == 400 and bool(TOO_LONG.search(fault.message)))


def _is_their_fault(fault: Fault) -> bool:
    return fault.status >= 500


def _is_refusal(fault: Fault) -> bool:
    return fault.status >= 400


def _is_no_address(fault: Fault) -> bool:
    is_odd = isinstance(fault.error.__cause__, httpx2.UnsupportedProtocol)
    return is_odd or isinstance(fault.error, httpx2.InvalidURL | UnicodeError)


def _is_source_refused(fault: Fault) -> bool:
    """The service searches, and finds fault with what it is to search."""
    return fault.status == 400 and "#/data_sources/0" in fault.message


def _is_about_sources(fault: Fault) -> bool:
    return fault.status in {400, 404, 410} and "data_sources" in fault.message


BUSY = "The model service is busy. Try again in a moment."
GONE = "The model service cannot be reached. Try again in a moment."
SLOW = "The model service did not answer in time. Try again in a moment."
UNREAD = "The model service gave an answer that cannot be read."
LONG = "The question and its passages are too long for “{name}”."
FILTERED = "The model service's content filter stopped this question{found}."
NO_SOURCE = "The model service refuses the data source of “{name}” as it is written."
USED_UP = "The account of “{name}” at the model service is used up."
RETIRED = (
    "The service no longer searches by itself: Azure OpenAI On Your Data was retired in October 2026. "
    "“{name}” can answer with Lectern's own search: grounding = hybrid."
)
NO_KEY = (
    "The model service refuses the key of “{name}”. An administrator must put a valid one into the settings and start "
    "Lectern again."
)
UNKNOWN = "The model service knows no deployment “{name}”."
NO_SUCH = "There is no such service at the address or api-version of “{name}”."
REFUSED = "The model service refused the call to “{name}”. The log says how."
NO_ADDRESS = "The address or key of “{name}” cannot be used as it is written."
BROKE_OFF = "The model service broke off in the middle of the answer."

RETRY, OUTAGE, NEXT = "is_retried", "is_outage", "falls_back"


def _rule(kind: type[ProviderError], code: str, sentence: str, *acts: str) -> Rule:
    return Rule(kind, code, sentence, **dict.fromkeys(acts, True))


TABLE: tuple[tuple[Callable[[Fault], bool], Rule], ...] = (
    (
        _says("content_filter", "ResponsibleAIPolicyViolation"),
        _rule(ProviderRefused, "content_filter", FILTERED),
    ),
    (_is_too_long, _rule(ProviderTooLong, "context_length_exceeded", LONG)),
    (
        _says("insufficient_quota", "billing_hard_limit_reached"),
        _rule(ProviderMisconfigured, "quota_spent", USED_UP, NEXT),
    ),
    (_is_source_refused, _rule(ProviderMisconfigured, "data_source_refused", NO_SOURCE)),
    (_is_about_sources, _rule(ProviderMisconfigured, "data_sources_retired", RETIRED)),
    (_status(401, 403), _rule(ProviderMisconfigured, "key_refused", NO_KEY, NEXT)),
    (_says("DeploymentNotFound", "model_not_found"), _rule(ProviderMisconfigured, "unknown_deployment", UNKNOWN, NEXT)),
    (_status(404, 405, 410), _rule(ProviderMisconfigured, "wrong_address", NO_SUCH, NEXT)),
    (_status(429), _rule(ProviderBusy, "rate_limited", BUSY, RETRY, NEXT)),
    (_status(408, 409, 425), _rule(ProviderBusy, "busy", BUSY, RETRY, NEXT)),
    (_is_their_fault, _rule(ProviderBusy, "service_fault", BUSY, RETRY, OUTAGE, NEXT)),
    (_is_refusal, _rule(ProviderMisconfigured, "refused", REFUSED)),
    (_is_no_address, _rule(ProviderMisconfigured, "no_address", NO_ADDRESS)),
    (_is_connecting, _rule(ProviderBusy, "unreachable", GONE, RETRY, OUTAGE, NEXT)),
    # It may be at work on it, and bill it: not sent twice.
    (
        _is(openai.APITimeoutError, httpx2.TimeoutException, TimeoutError),
        _rule(ProviderBusy, "timeout", SLOW, OUTAGE, NEXT),
    ),
    (
        _is(openai.APIConnectionError, httpx2.HTTPError),
        _rule(ProviderBusy, "unreachable", GONE, RETRY, OUTAGE, NEXT),
    ),
    (_is(StreamFault), _rule(ProviderBusy, "service_fault", BUSY, OUTAGE, NEXT)),
    (
        _is(Malformed, JSONDecodeError, RecursionError, ValidationError, openai.APIResponseValidationError),
        _rule(ProviderInterrupted, "malformed", UNREAD, OUTAGE),
    ),
)
OTHER = _rule(ProviderInterrupted, "broke_off", BROKE_OFF)
FOREIGN = (openai.APIError, openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, JSONDecodeError, RecursionError,
           ValidationError, UnicodeError, Malformed, StreamFault, TimeoutError)  # fmt: skip


def rule_for(error: Exception) -> Rule:
    fault = Fault.of(error)
    return next((rule for fits, rule in TABLE if fits(fault)), OTHER)


def ours(error: Exception, name: str, *, is_in_the_middle: bool = False) -> ProviderError:
    """One of our errors for a foreign one; what the service said stays out of it, for it may repeat a key.

    In the middle of an answer there is no other try, whatever it was.
    """
    fault, rule = Fault.of(error), rule_for(error)
    if is_in_the_middle and rule.kind is ProviderBusy:
        rule = OTHER
    log.warning(
        "model_call_failed deployment=%s code=%s status=%s said=%s", name, rule.code, fault.status, fault.code[:80]
    )
    findings = findings_of(error)
    sentence = rule.sentence.format(name=name, found=_found(findings))
    if rule.kind is ProviderBusy:
        return ProviderBusy(sentence, seconds_told(error), rule.code, falls_back=rule.falls_back)
    if rule.kind is ProviderRefused:
        return ProviderRefused(sentence, findings, rule.code)
    return rule.kind(sentence, rule.code, falls_back=rule.falls_back)


def seconds_told(error: Exception) -> float | None:
    """How long the service asked to be left alone; None when it did not say."""
    return retry_after(error.response.headers) if isinstance(error, openai.APIStatusError) else None


# The content filter --------------------------------------------------------------------------------------------------
def findings_of(error: Exception) -> list[Finding]:
    """The categories of a refusal, wherever in its body they stand."""
    body = getattr(error, "body", None)
    if not isinstance(body, Mapping):
        return []
    inner = body.get("innererror")
    held = inner if isinstance(inner, Mapping) else body
    return findings(held.get("content_filter_result") or held.get("content_filter_results"))


def findings(results: Any) -> list[Finding]:
    """What a filter's result says, each category once; what cannot be read is left out.

    >>> findings({"hate": {"filtered": True, "severity": "high"}, "violence": "?"})
    [Finding(category='hate', severity='high', is_filtered=True)]
    """
    if not isinstance(results, Mapping):
        return []
    found = []
    for category, result in results.items():
        if isinstance(result, Mapping) and isinstance(result.get("filtered"), bool):
            found.append(Finding(str(category)[:40], _severity(result), bool(result["filtered"])))
    return found


def _severity(result: Mapping[str, Any]) -> str:
    """Some categories have none: there something is detected, or all is safe."""
    if "severity" not in result and not result.get("detected", result["filtered"]):
        return "safe"
    return result["severity"] if result.get("severity") in SEVERITIES else ""


def _found(found: Sequence[Finding]) -> str:
    """For a sentence: what was found, and how grave."""
    stopped = [each for each in found if each.is_filtered]
    told = [", ".join(filter(None, (each.category.replace("_", " "), each.severity))) for each in stopped]
    return f" ({'; '.join(told)})" if told else ""


def refused_by_filter(found: Sequence[Finding]) -> ProviderRefused:
    """The question was stopped by the filter."""
    return ProviderRefused(FILTERED.format(found=_found(found)), found, "content_filter")


def cut_by_filter(found: Sequence[Finding]) -> ProviderRefused:
    """The answer was stopped by the filter, at its beginning or in the middle."""
    sentence = f"The model service's content filter cut the answer off{_found(found)}."
    return ProviderRefused(sentence, found, "content_filter")
