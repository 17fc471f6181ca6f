"""Refusals as Azure OpenAI put them: one shape for what the model's door says, another for what On Your Data says."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import JsonResponse

from chat.completions import STATUS
from chat.events import Failed
from project.provider import Finding

CATEGORIES = ("hate", "self_harm", "sexual", "violence")
NO_DEPLOYMENT = (
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
    "please wait a moment and try again."
)
NO_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)
NO_JSON = (
    "We could not parse the JSON body of your request. The request body should be a JSON object that is sent as UTF-8 "
    "text."
)
FILTERED = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify "
    "your prompt and retry."
)
# What the waiting before a repeat can mend: the service counted its calls, and said so with this status.
WAIT_FOR_IT = frozenset({"rate_limited", "own_quota"})


class Refusal(Exception):
    """A call that is refused: the status, the body and the headers of the answer."""

    def __init__(self, status: int, error: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(error.get("message")))
        self.status, self.error, self.headers = status, dict(error), dict(headers or {})

    @property
    def response(self) -> JsonResponse:
        return JsonResponse({"error": self.error}, status=self.status, headers=self.headers)


def of_door(status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> Refusal:
    """As the door of the models says it; the code is the status where it has no name."""
    return Refusal(status, {"code": code or str(status), "message": message}, headers)


def of_data(message: str, status: int = 400, headers: Mapping[str, str] | None = None) -> Refusal:
    """As On Your Data says it: with a number of the request, and the status as a number."""
    return Refusal(status, {"requestid": str(uuid.uuid4()), "code": status, "message": message}, headers)


def not_found() -> Refusal:
    return of_door(404, "Resource not found")


def no_deployment() -> Refusal:
    return of_door(404, NO_DEPLOYMENT, "DeploymentNotFound")


def no_json() -> Refusal:
    return Refusal(400, {"message": NO_JSON, "type": "invalid_request_error", "param": None, "code": None})


def too_many(sentence: str, retry_after: float | None) -> Refusal:
    """Clients wait by these headers by themselves."""
    seconds = max(1, round(retry_after or 10))
    headers = {
        "Retry-After": str(seconds),
        "retry-after-ms": str(seconds * 1000),
        "x-ratelimit-remaining-requests": "0",
    }
    return of_door(429, f"{sentence} Please retry after {seconds} seconds.", headers=headers)


def filtered(sentence: str, findings: Sequence[Finding]) -> Refusal:
    """The question was stopped; each category with what was found in it."""
    result: dict[str, Any] = {name: {"filtered": False, "severity": "safe"} for name in CATEGORIES}
    for each in findings:
        told = {"severity": each.severity} if each.severity else {"detected": True}
        result[each.category.replace("-", "_")] = {"filtered": each.is_filtered, **told}
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": result}
    error = {"message": f"{FILTERED} {sentence}", "type": None, "param": "prompt", "code": "content_filter"}
    return Refusal(400, {**error, "status": 400, "innererror": inner})


def of_failure(failed: Failed) -> Refusal:
    """An answer that failed before its first word."""
    if failed.code in {"QuestionBlocked", "content_filter"}:
        return filtered(failed.sentence, failed.findings)
    if failed.code == "UnknownDeployment":
        return no_deployment()
    if failed.code == "budget_spent":
        refusal = too_many(failed.sentence, failed.retry_after)
        refusal.error["code"] = "insufficient_quota"
        refusal.headers["x-should-retry"] = "false"  # OpenAI's clients try again within a minute otherwise, in vain.
        return refusal
    if failed.code in WAIT_FOR_IT:
        return too_many(failed.sentence, failed.retry_after)
    status = STATUS.get(failed.code, 502)
    return of_door(status, failed.sentence, failed.code if status == 400 else "")
