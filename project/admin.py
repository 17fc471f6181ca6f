"""Keys and usage in the console."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin

from project.models import ApiKey, Usage

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = admin.site.site_title = "Lectern"
admin.site.index_title = "Console"


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    list_display = ["start", "user", "name", "scope", "created_at", "last_used_at", "revoked_at"]
    list_filter = ["scope"]
    readonly_fields = ["start", "user", "created_at", "last_used_at"]
    exclude = ["sha256"]

    def has_add_permission(self, request) -> bool:
        return False  # A key is shown once, by `manage.py create_api_key`.


@admin.register(Usage)
class UsageAdmin(admin.ModelAdmin):
    list_display = ["created_at", "user", "deployment", "input_tokens", "output_tokens"]
    list_filter = ["deployment"]
    date_hierarchy = "created_at"

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False
