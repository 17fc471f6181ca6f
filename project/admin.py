"""Keys, usage and what was done, as records."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin

from project.keys import revoke
from project.models import ApiKey, AuditEvent, OuterIdentity, Usage

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
