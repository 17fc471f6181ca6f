"""Conversations in the console: that they are there, not what they say. And the versions of how answers are worded."""

from django.contrib import admin

from chat.models import CollectionTemplate, Conversation, ModerationEvent, PromptTemplate


class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Conversation)
class ConversationAdmin(ReadOnly):
    list_display = ["id", "owner", "created_at", "updated_at"]
    list_select_related = ["owner"]
    fields = readonly_fields = ("owner", "created_at", "updated_at")


@admin.register(PromptTemplate)
class PromptTemplateAdmin(ReadOnly):
    """Versions are written and chosen in the console."""

    list_display = ["name", "version", "is_active", "note", "created_by", "created_at"]
    list_filter = ["name", "is_active"]
    fields = ["name", "text", "note", "is_active"]

    def has_delete_permission(self, request, obj=None) -> bool:
        return False  # Answers refer to it.


@admin.register(CollectionTemplate)
class CollectionTemplateAdmin(admin.ModelAdmin):
    list_display = ["collection", "name"]


@admin.register(ModerationEvent)
class ModerationEventAdmin(ReadOnly):
    list_display = ["created_at", "where", "category", "severity", "outcome", "checked_by", "deployment", "user"]
    list_filter = ["where", "category", "severity", "outcome", "checked_by"]
    list_select_related = ["user"]
    date_hierarchy = "created_at"
