"""Conversations in the console: that they are there, not what they say."""

from django.contrib import admin

from chat.models import Conversation


@admin.register(Conversation)
class ConversationAdmin(admin.ModelAdmin):
    list_display = ["id", "owner", "created_at", "updated_at"]
    list_select_related = ["owner"]
    fields = readonly_fields = ("owner", "created_at", "updated_at")

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False
