"""Every page and every act of the console in a real browser: as staff, as anybody else, and while something is away.

The addresses are walked, not listed: a page that nobody links to, or an act without a button, is found here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from django.urls import URLPattern, get_resolver, resolve
from django.utils import timezone

from chat.models import ModerationEvent, PermissionProof, PromptTemplate
from documents.console.indexes import DONE
from documents.indexes import default_index
from documents.models import ConsistencyCheck, EvaluationRun, EvaluationSet, Index, IndexVersion
from project import limits, workers
from project.audit import audit
from project.models import ApiKey, Budget
from project.provider.pieces import Tokens
from project.spending import Payer, note
from tests.library import add, shared_collection
from tests.rows import attempt, row
from tests.test_browser import faults, signed_in  # noqa: F401 - fixtures
from tests.test_browser_console import TEXT, batch_of
from tests.test_browser_inquiry import REPORT
from tests.test_console_questions import voted_down
from tests.test_gaps import ANSWERED, OPEN, refused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
DEAD = {"code": "internal", "reason": "Lectern could not read this file.", "advice": "Try again later."}
LINKS = "all => all.map(link => link.href)"
# What sends something: forms, and buttons that send the form they stand in elsewhere.
SENDS = """[...document.forms].filter(form => form.method === "post")
    .map(form => ({form, button: form.querySelector("button:not([type=button], [formaction])"),
      action: new URL(form.getAttribute("action") || "", location).href}))
    .concat([...document.querySelectorAll("button[formaction]")]
      .filter(button => button.formMethod === "post" || (!button.formMethod && button.form.method === "post"))
      .map(button => ({form: button.form, button, action: button.formAction})))"""
# Fills what must be filled as a person would, and sends it.
SEND = """action => {
  const {form, button} = SENDS.find(one => one.action === action);
  for (const field of form.querySelectorAll("input[required], textarea[required]"))
    if (!field.value && field.type !== "file")
      field.value = field.dataset.must || (field.type === "number" ? "60" : "When is the rent due?");
  form.noValidate = true;
  if (button) button.disabled = false;
  form.requestSubmit(button);
}""".replace("SENDS", SENDS)


def walked(prefix: str) -> set[str]:
    """The names of all addresses below it; an act on a version is one for each act."""

    def under(patterns, route: str = "") -> Iterator[str]:
        for each in patterns:
            whole = route + str(each.pattern)
            if not isinstance(each, URLPattern):
                yield from under(each.url_patterns, whole)
            elif whole.startswith(prefix):
                yield each.name

    names = set(under(get_resolver().url_patterns))
    return names - {"console-version-act"} | {f"console-version-act {act}" for act in DONE}


def named(address: str) -> str:
    match = resolve(urlsplit(address).path)
    return " ".join(filter(None, [match.url_name, match.kwargs.get("act")]))


@dataclass
class Walk:
    """Where one comes by clicking from the first page: pages and files by name, and the page on which an act stands."""

    pages: dict[str, str] = field(default_factory=dict)
    acts: dict[str, tuple[str, str]] = field(default_factory=dict)


def forgive(faults: list[str]) -> None:  # noqa: F811
    """The browser notes each answer that is no success; a form that is sent back is none of ours."""
    faults[:] = [fault for fault in faults if "status of 400" not in fault]


def walk(page, server: str, known: Walk) -> Walk:
    todo, seen = [f"{server}/console/", *known.pages.values()], set()
    while todo:
        address = todo.pop(0).partition("#")[0]
        if address in seen or not urlsplit(address).path.startswith("/console/"):
            continue
        seen.add(address)
        name = named(address)
        if name.endswith(("-csv", "-download", "-answers")):
            assert page.request.get(address).status == 200, address
            known.pages[name] = address
            continue
        page.goto(address)
        assert page.locator("h1").count() == 1, address
        assert page.evaluate("!document.querySelector('[hx-get]') || !!window.htmx"), f"{address} does not renew itself"
        known.pages.setdefault(name, address)
        for act, action in acts_of(page).items():
            known.acts.setdefault(act, (address, action))
        links = page.locator("main a[href], aside a[href], nav a[href]").evaluate_all(LINKS)
        mine = [link for link in links if urlsplit(link).path.startswith("/console/")]
        todo += [link for link in mine if named(link) not in known.pages]
    return known


@pytest.fixture
def filled(alice, staff) -> None:
    """Something of everything, and each in a state in which something can be done about it."""
    add(staff)
    hers = add(alice, b"# Boathouse\n\nIt is locked at nine.\n", "boat.md", shared_collection(alice, name="Boats"))
    dead = row(alice, "dead.pdf", "failed", error=DEAD)
    attempt(dead, 1, "failed", stage="embedding", reason="A fault of Lectern's own.", worker="node-7 4711")
    row(alice, "busy.pdf", "queued")
    live, states = default_index().live_version, IndexVersion.State
    facts = {"embedding_model": "", "dimensions": 3}
    IndexVersion.objects.create(index=live.index, number=2, state=states.READY, **facts).backend.create()
    for name, beside in (("building", states.BUILDING), ("paused", states.PAUSED), ("before", states.READY)):
        index = Index.objects.create(name=name)
        index.live = IndexVersion.objects.create(index=index, number=1, **facts)
        index.live.backend.create()
        index.save()
        retired = timezone.now() if name == "before" else None
        IndexVersion.objects.create(index=index, number=2, state=beside, retired_at=retired, **facts).backend.create()
    kept = EvaluationSet.objects.create(name="House rules", created_by=staff)
    kept.take("When is the rent due?", pages=["rules.md#page=1"], by=staff)
    EvaluationRun.objects.create(set=kept, set_name=kept.name, user=staff, state="waiting", kind="search", total=3)
    voted_down(refused(alice, ANSWERED[0]).answer, alice)
    refused(alice, OPEN[0])
    batch = batch_of(staff)
    type(batch).objects.update(state="running")
    for name in ("answer", "leases"):
        PromptTemplate.objects.create(text=TEXT, name=name, is_active=name == "answer")
    ModerationEvent.objects.create(where="question", category="violence", severity="high", checked_by="openai")
    PermissionProof.objects.create(state="done", report=REPORT)
    ConsistencyCheck.objects.create(state="done", counts={"stale lease": 1}, finished_at=timezone.now())
    Budget.objects.create(limit=6_000)
    ApiKey.create(alice, name="nightly")
    note("main", Payer("answer", alice.pk), Tokens(2_500, 100, 300, 40))
    audit("document.move", hers, by=alice)
    limits.connection().zadd(workers.KEY, {"celery@node-7": limits.connection().time()[0]})


def acts_of(page) -> dict[str, str]:
    """What can be sent from the page that is open."""
    actions = page.evaluate(f"{SENDS}.map(one => one.action)")
    return {named(action): action for action in actions if urlsplit(action).path.startswith("/console/")}


def pressed(page, found: Walk, names: set[str]) -> dict[str, int]:
    """What became of each act, those that take something away last; and of the acts that another one leads to."""
    late, ends = ("drop", "delete", "activate", "cancel", "give", "revoke", "rollback", "swap"), {}
    for name in sorted(names, key=lambda name: ([name.endswith(each) for each in late], name)):
        address, action = found.acts[name]
        page.goto(address)
        if name not in acts_of(page):
            continue  # What was pressed before has changed what can be done here.
        ends[name] = press(page, acts_of(page)[name])
        for following, action in acts_of(page).items():
            if following not in found.acts:
                found.acts[following] = (page.url, action)
                ends[following] = press(page, action)
                break
    return ends


def press(page, action: str) -> int:
    with page.expect_navigation(timeout=120_000) as gone:  # Some ask services that are away, on a busy machine.
        page.evaluate(SEND, action)
    return gone.value.status


def test_every_page_and_every_act_is_reached_and_works_for_staff_and_for_nobody_else(
    signed_in,  # noqa: F811
    faults,  # noqa: F811
    asgi_server,
    filled,
    staff,
    bob,
):
    page = signed_in(staff)
    found = walk(page, asgi_server, Walk())
    ends = pressed(page, found, set(found.acts))
    found = walk(page, asgi_server, found)  # What was begun can be stopped.
    ends |= pressed(page, found, found.acts.keys() - ends.keys())
    assert {name: status for name, status in ends.items() if status not in {200, 400}} == {}
    assert walked("console/") - found.pages.keys() - found.acts.keys() == set()
    assert found.acts.keys() == ends.keys()

    forgive(faults)
    page = signed_in(bob)
    token = page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value")
    call = page.context.request
    opened = [name for name, place in found.pages.items() if call.get(place).status != 404]
    form, headers = {"csrfmiddlewaretoken": token, "sure": "1"}, {"Referer": asgi_server}
    done = [name for name, (_, act) in found.acts.items() if call.post(act, form=form, headers=headers).status != 404]
    assert (opened, done) == ([], [])


AWAY = {
    "Redis": {"REDIS_URL": "redis://127.0.0.1:1/0"},
    "every service": {
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_API_KEY": "secret",
        "OPENAI_CHAT_MODEL": "gpt-test",
        "AZURE_SEARCH_ENDPOINT": "http://127.0.0.1:9",
        "AZURE_SEARCH_KEY": "secret",
    },
}


@pytest.mark.parametrize("away", AWAY)
def test_every_page_stands_and_no_act_fails_without_a_sentence_while_something_is_away(
    signed_in,  # noqa: F811
    faults,  # noqa: F811
    asgi_server,
    filled,
    staff,
    settings,
    away,  # noqa: F811
):
    page = signed_in(staff)
    if away != "Redis":
        IndexVersion.objects.filter(index__name="before", number=2).update(backend_name="azure")
        IndexVersion.objects.filter(index__name="paused").update(backend_name="azure")
    for name, value in AWAY[away].items():
        setattr(settings, name, value)
    limits.connection.cache_clear()
    try:
        found = walk(page, asgi_server, Walk())
        ends = pressed(page, found, set(found.acts))
    finally:
        limits.connection.cache_clear()
    forgive(faults)
    assert {name: status for name, status in ends.items() if status not in {200, 400}} == {}
