"""Questions and feedback in the console: what was asked, refused and voted down, and what is done about it.

Who runs Lectern may see what is asked, as far as LECTERN_CONSOLE_QUESTIONS allows, and not who asked it, unless they
gave feedback. What documents say is shown to whoever may read them; a superuser may look as the asker does, and that is
written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from chat.answering import PASSAGES
from chat.console.themes import Theme, themes
from chat.conversations.conversing import question_of
from chat.markdown import render as render_markdown
from chat.models import Citation, Feedback, Gap, Message, State
from chat.permissions.world import MARK
from documents import retrieval
from documents.evaluation.sets import page_key
from documents.models import Document, EvaluationCase, EvaluationSet
from documents.retrieval import Passage, Scope
from documents.search import SearchError
from project.accounts import SignedInRequest
from project.audit import audit
from project.console import console, staff_only

A_PAGE = 50
SETS_NAMED = 50
THEMES_OF = 500  # questions, the newest, that are put into themes
ENDED = (State.DONE, State.REFUSED, State.FAILED, State.STOPPED, State.INTERRUPTED)


class FilterForm(forms.Form):
    SHOWN = (
        ("", gettext_lazy("All")),
        ("refused", gettext_lazy("Not in the documents")),
        ("down", gettext_lazy("Voted down, open")),
        ("mine", gettext_lazy("Assigned to me")),
        ("resolved", gettext_lazy("Voted down, resolved")),
        ("failed", gettext_lazy("Failed")),
    )

    shown = forms.ChoiceField(choices=SHOWN, required=False)
    text = forms.CharField(max_length=200, required=False)
    first = forms.DateField(required=False)
    last = forms.DateField(required=False)


def asked() -> QuerySet[Message]:
    """The answers whose questions may be shown here; the setting decides."""
    rows = Message.objects.filter(role=Message.Role.ASSISTANT, reply_to__isnull=False, state__in=ENDED)
    rows = rows.filter(conversation__deleted_at=None).exclude(conversation__owner__email__endswith=MARK)
    if settings.CONSOLE_QUESTIONS == "none":
        return rows.none()
    if settings.CONSOLE_QUESTIONS == "feedback":
        return rows.filter(Exists(Feedback.objects.filter(answer=OuterRef("pk"))))
    return rows


@require_GET
@staff_only
def questions(request: SignedInRequest) -> HttpResponse:
    """The list by time, or, with `by=theme`, the newest of them in themes."""
    form = FilterForm(request.GET)
    given = form.cleaned_data if form.is_valid() else {}
    rows = listed(given, request.user)
    query = request.GET.copy()
    for name in ("page", "by"):
        query.pop(name, None)
    context: dict[str, object] = {
        "form": form,
        "query": query.urlencode(),
        "is_narrowed": settings.CONSOLE_QUESTIONS != "all",
        "open_count": Feedback.objects.open().filter(answer__in=asked()).count(),
    }
    if request.GET.get("by") == "theme":
        context["themes"] = themes_of(rows)
        context["themes_of"] = THEMES_OF
    else:
        context["rows"] = Paginator(rows, A_PAGE).get_page(request.GET.get("page"))
    return console(request, "console/questions.html", context)


def listed(given: Mapping[str, Any], user: User) -> QuerySet[Message]:
    """The answers that a filter leaves, the newest first, with how many thumbs each has."""
    rows = _filtered(asked(), given, user).select_related("reply_to").order_by("-created_at")
    return rows.only("state", "created_at", "reply_to__content").annotate(
        ups=Count("feedback", filter=Q(feedback__is_good=True, feedback__citation=None)),
        downs=Count("feedback", filter=Q(feedback__is_good=False)),
    )


def _filtered(rows: QuerySet[Message], given: Mapping[str, Any], user: User) -> QuerySet[Message]:
    if words := given.get("text"):
        rows = rows.filter(reply_to__content__icontains=words)
    if given.get("first"):
        rows = rows.filter(created_at__date__gte=given["first"])
    if given.get("last"):
        rows = rows.filter(created_at__date__lte=given["last"])
    down = Feedback.objects.filter(answer=OuterRef("pk"), is_good=False)
    kinds = {
        "refused": Q(state=State.REFUSED),
        "failed": Q(state__in=(State.FAILED, State.INTERRUPTED)),
        "down": Exists(down.filter(resolved_at=None)),
        "mine": Exists(down.filter(resolved_at=None, assigned_to=user)),
        "resolved": Exists(down.exclude(resolved_at=None)),
    }
    return rows.filter(kinds[given["shown"]]) if given.get("shown") else rows


def themes_of(listed: QuerySet[Message]) -> list[tuple[Theme, list[Message]]]:
    """The newest of them in themes, the largest first."""
    rows = list(listed[:THEMES_OF])
    found = themes([row.question.content for row in rows])
    return [(theme, [rows[place] for place in theme.members]) for theme in found]


# One of them ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Shown:
    """A passage as somebody may see it: without its words where they may not read the document."""

    title: str
    page: str
    text: str | None
    url: str = ""
    is_cited: bool = False


@dataclass(frozen=True)
class Inquiry:
    """A question with its answer as somebody may see it, and the passages it was given and would be given now."""

    is_told: bool  # whether its words are: all that it rests on may be read
    then: list[Shown]
    now: list[Shown]
    trouble: str  # why nothing could be found now


@require_GET
@staff_only
def question(request: SignedInRequest, pk: UUID) -> HttpResponse:
    return _question(request, _found(pk), is_whole=False)


@require_POST
@staff_only
def view_question(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """The same with all that its asker sees, for a superuser; written down."""
    row = _found(pk)
    if not request.user.is_superuser:
        messages.error(request, gettext("Only a superuser may look as somebody else does."))
        return redirect("console-question", pk)
    note_view(row)
    return _question(request, row, is_whole=True)


def note_view(row: Message) -> None:
    """Write down that somebody looks at it as its asker does."""
    audit("question.view_as", row.conversation.owner, question=str(row.reply_to_id))


def _found(pk: UUID) -> Message:
    return get_object_or_404(known(), pk=pk)


def known() -> QuerySet[Message]:
    """Those that may be shown, with what a look at one of them needs."""
    return asked().select_related("reply_to", "conversation__owner")


def inquiry(row: Message, user: User, *, is_whole: bool) -> Inquiry:
    """As this person may see it, or whole, as its asker does."""
    then = list(row.citations.filter(gap=None).select_related("document"))
    now, trouble = _found_now(row)
    ids = {pk for pk in (*(each.document_id for each in then), *(each.document_id for each in now)) if pk}
    readable = set(Document.objects.for_user(user).filter(pk__in=ids).values_list("pk", flat=True))
    sees = {each for each in ids if is_whole or each in readable}
    is_told = is_whole or all(each.document_id in sees for each in then if each.is_cited or each.is_sent)
    return Inquiry(
        is_told,
        [_then(each, each.document_id in sees or (is_whole and each.is_external)) for each in then],
        [_now(each, each.document_id in sees) for each in now],
        trouble,
    )


def _question(request: SignedInRequest, row: Message, *, is_whole: bool) -> HttpResponse:
    seen = inquiry(row, request.user, is_whole=is_whole)
    context: dict[str, object] = {
        "row": row,
        "asker": row.conversation.owner if is_whole else None,
        "html": render_markdown(row.content, {}) if seen.is_told else "",
        **vars(seen),
        "feedback": row.feedback.select_related("user", "assigned_to", "resolved_by", "citation"),
        "people": User.objects.filter(is_staff=True, is_active=True).order_by("username"),
        "gap": Gap.objects.filter(question=row.reply_to_id).first(),
        "is_whole": is_whole,
        "case": CaseForm(),
        "sets": EvaluationSet.objects.values_list("name", flat=True)[:SETS_NAMED],
    }
    return console(request, "console/question.html", context)


def _found_now(row: Message) -> tuple[list[Passage], str]:
    """What its asker would find at this moment."""
    asking = question_of(row)
    if not asking.user.is_active:  # type: ignore[union-attr]
        return [], gettext("Whoever asked it cannot sign in any more.")
    scope = Scope(collections=asking.collections, documents=asking.documents)
    texts = row.queries or [row.question.content]
    try:
        return retrieval.find_all(texts, asking.user, scope, top=PASSAGES).passages, ""
    except SearchError as exc:
        return [], str(exc)


def _then(citation: Citation, is_readable: bool) -> Shown:
    text = citation.text if is_readable else None
    url = citation.url if is_readable and not citation.is_external else ""
    return Shown(citation.title, citation.shown_page, text, url, citation.is_cited)


def _now(passage: Passage, is_readable: bool) -> Shown:
    page = passage.page_label or str(passage.page_number)
    return Shown(passage.document_title, page, passage.text if is_readable else None)


# What is done about it -----------------------------------------------------------------------------------------------
@require_POST
@staff_only
def resolve(request: SignedInRequest, pk: int) -> HttpResponse:
    """Dealt with; with `open`, not after all."""
    row = _opinion(pk)
    is_open = bool(request.POST.get("open"))
    row.resolve(request.user, is_open=is_open)
    messages.success(request, gettext("It is open again.") if is_open else gettext("It is resolved."))
    return redirect("console-question", row.answer_id)


@require_POST
@staff_only
def assign(request: SignedInRequest, pk: int) -> HttpResponse:
    """To somebody who runs Lectern; to nobody, without one."""
    row, name = _opinion(pk), request.POST.get("to", "").replace("\x00", "")
    person = get_object_or_404(User, username=name, is_staff=True, is_active=True) if name else None
    row.assign(person)
    messages.success(request, gettext("It is assigned to %(name)s.") % {"name": name or gettext("nobody")})
    return redirect("console-question", row.answer_id)


class CaseForm(forms.Form):
    set_name = forms.CharField(max_length=200)
    right = forms.ChoiceField(
        choices=(
            ("", gettext_lazy("Somebody is still to say")),
            ("cited", gettext_lazy("The pages that were cited")),
            ("none", gettext_lazy("Nothing answers it")),
        ),
        required=False,
    )


@require_POST
@staff_only
def keep_case(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Ask it in every evaluation from now on; the set is made if there is none of that name."""
    row, form = _found(pk), CaseForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Name the set of questions, in at most 200 letters."))
        return redirect("console-question", pk)
    right = form.cleaned_data["right"]
    cited = row.citations.filter(is_cited=True, document__isnull=False).select_related("document")
    pages = [page_key(each.document.name, each.page_number) for each in cited if each.document]
    more = {"is_unanswerable": True} if right == "none" else {}
    with transaction.atomic():
        kept, _ = EvaluationSet.objects.get_or_create(
            name=form.cleaned_data["set_name"], defaults={"created_by": request.user}
        )
        kept.take(
            row.question.content,
            pages=pages if right == "cited" else (),
            by=request.user,
            origin=EvaluationCase.Origin.FEEDBACK,
            **more,
        )
        audit("evaluation.keep_case", kept, question=str(row.reply_to_id), pages=len(pages) if right == "cited" else 0)
    messages.success(request, gettext("The question is in the set “%(set)s”.") % {"set": kept})
    return redirect("console-question", pk)


def _opinion(pk: int) -> Feedback:
    return get_object_or_404(Feedback.objects.filter(answer__in=asked()), pk=pk)


# What nobody could answer --------------------------------------------------------------------------------------------
@require_GET
@staff_only
def gap_map(request: HttpRequest) -> HttpResponse:
    """The open questions in themes, the widest gap first, and what closed lately."""
    grouped = gap_themes()
    closed = Gap.objects.filter(citation__isnull=False, question__replies__in=asked()).distinct()
    context = {
        "themes": grouped,
        "count": Gap.objects.open().count(),
        "shown": sum(len(each.members) for each in grouped),
        "closed": closed.select_related("question", "citation").order_by("-closed_at")[:20],
        "is_narrowed": settings.CONSOLE_QUESTIONS != "all",
        "ask_url": reverse("library"),
    }
    return console(request, "console/gaps.html", context)


@dataclass(frozen=True)
class GapTheme:
    """Questions about the same that nobody could answer, and how many people asked them."""

    theme: Theme
    members: Sequence[Gap]
    askers: int


def gap_themes() -> list[GapTheme]:
    """The open gaps, the newest of them, in themes: what most people asked first."""
    rows = Gap.objects.open().filter(question__replies__in=asked()).distinct().select_related("question__conversation")
    refusals = Message.objects.filter(reply_to=OuterRef("question"), state=State.REFUSED).order_by("-created_at")
    found = list(rows.annotate(refusal=Subquery(refusals.values("pk")[:1]))[:THEMES_OF])
    grouped = []
    for theme in themes([gap.question.content for gap in found]):
        members = [found[place] for place in theme.members]
        grouped.append(GapTheme(theme, members, len({gap.question.conversation.owner_id for gap in members})))
    return sorted(grouped, key=lambda each: (-each.askers, -len(each.members)))
