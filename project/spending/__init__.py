"""What calls to models cost, who pays, and when it is enough."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from project.catalogue import UNKNOWN, Model
from project.limits import spend
from project.models import Budget, Spent, Usage

if TYPE_CHECKING:
    from project.deployments import Deployment
    from project.provider.pieces import Tokens

log = logging.getLogger(__name__)

MILLION = 1_000_000


@dataclass(frozen=True)
class Payer:
    """For whom and for what a call is made."""

    purpose: str = "answer"  # answer, check, rewrite, summary, embedding, moderation, batch, evaluation
    user_id: int | None = None
    api_key_id: int | None = None
    collection_id: UUID | None = None  # when the whole question was put to one collection

    @property
    def meter(self) -> str:
        """By what name the minute's limits count this payer."""
        return meter(self.api_key_id, self.user_id)


def meter(api_key_id: int | None, user_id: int | None) -> str:
    """A key by itself; without one, its person."""
    return f"key:{api_key_id}" if api_key_id else f"user:{user_id}"


class BudgetSpent(Exception):
    """Nothing is left of a budget until `resets_at`; str(exc) says whose, how much it was, and when it goes on."""

    def __init__(self, sentence: str, resets_at: datetime) -> None:
        super().__init__(sentence)
        self.resets_at = resets_at

    @property
    def retry_after(self) -> int:
        """Seconds until there is money again."""
        return max(1, round((self.resets_at - timezone.now()).total_seconds()))


def cost(base: Model, tokens: Tokens) -> Decimal | None:
    """US dollars for these tokens; None when the catalogue knows no price for some of them.

    Tokens that the service still had count at their own price or, when that is not told, at the full one.
    """
    kept_price = base.input_price if base.cached_input_price is None else base.cached_input_price
    kept = min(tokens.cached, tokens.input)
    dollars = Decimal()
    for count, price in (
        (tokens.input - kept, base.input_price),
        (kept, kept_price),
        (tokens.output, base.output_price),
    ):
        if count and price is None:
            return None
        dollars += count * Decimal(str(price or 0)) / MILLION
    return dollars


def note(deployment: Deployment | str, payer: Payer, tokens: Tokens, *, base: Model | None = None) -> Usage:
    """Write down what a call cost, and say once when that brought a budget to its warning or to its end.

    `base` is for calls that are made without a deployment, by the name alone.
    """
    if isinstance(deployment, str):
        name, model = deployment, base or UNKNOWN
    else:
        name, model = deployment.name, base or deployment.base
    row = Usage(
        user_id=payer.user_id,
        api_key_id=payer.api_key_id,
        collection_id=payer.collection_id,
        purpose=payer.purpose,
        deployment=name,
        base_model=model.name,
        input_tokens=tokens.input,
        cached_tokens=tokens.cached,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        cost=cost(model, tokens),
        is_estimate=tokens.is_estimate,
    )
    _keep(row)
    spend(payer.meter, tokens.input + tokens.output)
    _state_of(payer)
    return row


def check(payer: Payer) -> list[str]:
    """Sentences about budgets that are nearly spent. Raises BudgetSpent for one that is: the last to begin anew."""
    states = _state_of(payer)
    if spent := [state for state in states if state.is_spent]:
        last = max(spent, key=lambda state: state.resets_at)
        raise BudgetSpent(last.sentence, last.resets_at)
    return [state.sentence for state in states if state.is_near]


def _keep(row: Usage) -> None:
    """What was spent stays written when the person or the key went away in the meantime."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        row.user_id = row.api_key_id = None
        row.save()


# Budgets -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Standing:
    """How far a budget is spent at one moment."""

    budget: Budget
    spent: Spent
    now: datetime

    @property
    def part(self) -> Decimal:
        return self.budget.part(self.spent)

    @property
    def is_spent(self) -> bool:
        return self.part >= 1

    @property
    def is_near(self) -> bool:
        return self.budget.warn_at <= self.part < 1

    @property
    def resets_at(self) -> datetime:
        return self.budget.current(self.now)[1]

    @property
    def spent_words(self) -> str:
        spent = self.spent
        return f"${spent.dollars:,.2f}" if self.budget.unit == Budget.Unit.DOLLARS else f"{spent.tokens:,} tokens"

    @property
    def resets_words(self) -> str:
        return moment(self.resets_at)

    @property
    def sentence(self) -> str:
        """How it stands, to somebody whose calls count against it."""
        if self.is_spent:
            return f"{self._name} is spent. It begins anew on {self.resets_words}."
        return f"{self._name} is spent to {int(self.part * 100)} %. It begins anew on {self.resets_words}."

    @property
    def _name(self) -> str:
        budget, begins = self.budget, self.budget.current(self.now)[0]
        period = "today" if budget.period == Budget.Period.DAY else f"{begins:%B}"
        limit = f"budget of {budget.limit_words} for {period}"
        if budget.user_id:
            return f"{budget.user}'s {limit}"
        if budget.api_key_id:
            return f"This API key's {limit}"
        return f"This collection's {limit}" if budget.collection_id else f"The common {limit}"


def moment(at: datetime) -> str:
    """A moment as the operator's clock shows it: “1 December 2026 at 00:00 (Europe/Berlin)”."""
    local = at.astimezone(timezone.get_default_timezone())
    return f"{local.day} {local:%B %Y at %H:%M} ({settings.TIME_ZONE})"


def standings(budgets: Iterable[Budget], now: datetime | None = None) -> list[Standing]:
    now = now or timezone.now()
    return [Standing(budget, budget.spent(now), now) for budget in budgets]


def _state_of(payer: Payer) -> list[Standing]:
    """The budgets this payer draws on. Whoever first sees one cross its line says so to the operator."""
    found = standings(
        Budget.objects.select_related("user", "api_key__user").that_bind(
            user_id=payer.user_id, api_key_id=payer.api_key_id, collection_id=payer.collection_id
        )
    )
    for state in found:
        if state.is_spent and state.budget.says_first("spent_said", state.now):
            log.warning("budget_spent budget=%s %s, until %s", state.budget.pk, state.budget, state.resets_words)
        elif state.is_near and state.budget.says_first("near_said", state.now):
            log.warning("budget_near budget=%s %s, %.0f %%", state.budget.pk, state.budget, state.part * 100)
    return found
