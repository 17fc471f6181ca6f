"""The library in the console."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from documents.leaving import CannotLeave, leave
from documents.models import Collection, Document, EvaluationRun, Index, IndexVersion, Membership
from project.deployments import DeploymentsError, UnknownDeployment, chosen, deployments


class VersionInline(admin.TabularInline):
    model = IndexVersion
    extra = 0
    can_delete = False
    readonly_fields = [
        "number",
        "backend_name",
        "embedding_model",
        "dimensions",
        "chunk_tokens",
        "chunk_overlap",
        "state",
    ]
    fields = ["number", "backend_name", "embedding_model", "dimensions", "chunk_tokens", "chunk_overlap", "state"]

    def has_add_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Index)
class IndexAdmin(admin.ModelAdmin):
    list_display = ["name", "live", "created_at"]
    readonly_fields = ["live"]
    inlines = [VersionInline]

    def has_delete_permission(self, request, obj=None) -> bool:
        """Its versions have tables, or a place at a service, that would be left behind."""
        return False


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ["user"]


class CollectionForm(forms.ModelForm):
    """The model of a collection is one of those that are set up; one that is no more can stay until it is changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            known = list(deployments())
        except DeploymentsError:
            known = []
        names = dict.fromkeys(["", self.instance.deployment, *known])
        self.fields["deployment"].widget = forms.Select(choices=[(name, name or "The default model") for name in names])

    def clean_deployment(self) -> str:
        name = self.cleaned_data["deployment"]
        try:
            chosen(name)
        except (UnknownDeployment, DeploymentsError) as exc:
            raise forms.ValidationError(str(exc)) from exc
        return name


@admin.register(Collection)
class CollectionAdmin(admin.ModelAdmin):
    """Members, owners, who answers. Deleting is for the owner, on the collection's page: its files go along there."""

    form = CollectionForm
    list_display = ["name", "owner", "is_private", "index"]
    list_filter = ["is_private", "index"]
    search_fields = ["name", "owner__username"]
    readonly_fields = ["is_private"]
    autocomplete_fields = ["owner"]
    inlines = [MembershipInline]

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Document)
class DocumentAdmin(admin.ModelAdmin):
    """What became of every file. Its text is not here: who runs the library need not read it."""

    list_display = ["name", "collection", "owner", "state", "attempt", "page_count", "chunk_count", "created_at"]
    list_filter = ["state", "kind", "language"]
    search_fields = ["name", "title", "owner__username"]
    list_select_related = ["collection", "owner"]

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(EvaluationRun)
class EvaluationRunAdmin(admin.ModelAdmin):
    """How well the search did, run by run. What became of each question is told by `manage.py evaluate`."""

    list_display = ["set_name", "created_at", "user", "index_version", "question_count", "limit", "reciprocal_rank"]
    list_filter = ["set_name"]
    list_select_related = ["user", "index_version__index"]
    exclude = ["results"]

    @admin.display(description="MRR")
    def reciprocal_rank(self, run: EvaluationRun) -> str:
        """Of the search as people use it, or of the one leg that was measured."""
        mode = "hybrid" if "hybrid" in run.figures else next(iter(run.figures), "")
        mean = run.figures.get(mode, {}).get(f"mrr@{run.top}")
        return f"{mean['value']:.3f} ({mode})" if mean else "–"

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Whoever is deleted takes along what only they could read, and nothing that others share."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Each by themselves: what goes along is said person by person."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, ...]:
        """How much goes along; what it is called is not for everybody who runs the console."""
        _, counts, _, protected = super().get_deleted_objects(objs, request)
        return [f"{number:,} {name}" for name, number in counts.items()], counts, set(), protected

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        person = self.get_object(request, object_id)
        if request.method == "POST" and person is not None and self.has_delete_permission(request, person):
            try:
                leave(person)
            except CannotLeave as exc:
                self.message_user(request, str(exc), messages.ERROR)
                return redirect("admin:auth_user_change", person.pk)
        return super().delete_view(request, object_id, extra_context)
