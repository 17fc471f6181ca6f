"""Keys, usage and budgets in the console."""

from typing import cast
from uuid import UUID

from allauth.account.decorators import secure_admin_login
from django import forms
from django.contrib import admin

from project.keys import revoke
from project.models import ApiKey, AuditEvent, Budget, OuterIdentity, Usage
from project.spending.reports import collection_names

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = admin.site.site_title = "Lectern"
admin.site.index_title = "Console"


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    list_display = ["start", "user", "name", "scope", "created_at", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["scope"]
    readonly_fields = [
        "start", "user", "scope", "collection_ids", "created_at", "expires_at", "last_used_at", "revoked_at"
    ]  # fmt: skip
    exclude = ["sha256"]
    actions = ["revoke"]

    def has_add_permission(self, request) -> bool:
        return False  # A key is shown once: on its person's own page, or by `manage.py create_api_key`.

    @admin.action(description="Revoke the chosen keys")
    def revoke(self, request, rows) -> None:
        for key in rows:
            revoke(key)


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):
    list_display = ["at", "user_name", "action", "subject_kind", "subject_name", "api_key_name", "address"]
    list_filter = ["action"]
    search_fields = ["user_name", "subject_name", "subject_id"]
    date_hierarchy = "at"

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(OuterIdentity)
class OuterIdentityAdmin(admin.ModelAdmin):
    list_display = ["user", "issuer", "subject", "created_at"]
    list_select_related = ["user"]


@admin.register(Usage)
class UsageAdmin(admin.ModelAdmin):
    list_display = ["created_at", "user", "purpose", "deployment", "input_tokens", "output_tokens", "cost"]
    list_filter = ["purpose", "deployment", "is_estimate"]
    list_select_related = ["user"]
    date_hierarchy = "created_at"

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


class BudgetForm(forms.ModelForm):
    collection_id = forms.TypedChoiceField(label="Collection", required=False, coerce=UUID, empty_value=None)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        names = sorted(collection_names().items(), key=lambda item: item[1].casefold())
        held = self.instance.collection_id
        gone = [(held, f"{held} (gone)")] if held and held not in dict(names) else []
        cast("forms.TypedChoiceField", self.fields["collection_id"]).choices = [("", "---------"), *gone, *names]


@admin.register(Budget)
class BudgetAdmin(admin.ModelAdmin):
    form = BudgetForm
    fields = ["user", "api_key", "collection_id", "period", "unit", "limit", "warn_at"]
    list_display = ["__str__", "period", "unit", "limit", "warn_at"]
    list_filter = ["period", "unit"]
    list_select_related = ["user", "api_key__user"]
