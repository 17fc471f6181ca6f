"""Conversations in the console: that they are there, not what they say. And the versions of how answers are worded."""

from django.contrib import admin, messages

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
class PromptTemplateAdmin(admin.ModelAdmin):
    """A version is written once. To change a text, save it as the next version of its name."""

    list_display = ["name", "version", "is_active", "note", "created_by", "created_at"]
    list_filter = ["name", "is_active"]
    fields = ["name", "text", "note", "is_active"]
    actions = ["make_active"]

    def has_change_permission(self, request, obj=None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request, obj=None) -> bool:
        return False  # Answers refer to it.

    def get_changeform_initial_data(self, request) -> dict:
        """The next version begins with the text of the one that is active."""
        name = request.GET.get("name", "answer")
        active = PromptTemplate.objects.filter(name=name, is_active=True).first()
        return {"name": name, "text": active.text if active else "Be short and plain. Answer in {language}."}

    def save_model(self, request, obj, form, change) -> None:
        obj.created_by = request.user
        super().save_model(request, obj, form, change)

    @admin.action(description="Use this version from now on", permissions=["add"])
    def make_active(self, request, queryset) -> None:
        for template in queryset:
            if trouble := template.trouble:
                self.message_user(request, f"{template} cannot be used: {trouble}", messages.ERROR)
            else:
                template.activate()
                self.message_user(request, f"{template} is used from the next question on.", messages.SUCCESS)


@admin.register(CollectionTemplate)
class CollectionTemplateAdmin(admin.ModelAdmin):
    list_display = ["collection", "name"]


@admin.register(ModerationEvent)
class ModerationEventAdmin(ReadOnly):
    list_display = ["created_at", "where", "category", "severity", "outcome", "checked_by", "deployment", "user"]
    list_filter = ["where", "category", "severity", "outcome", "checked_by"]
    list_select_related = ["user"]
    date_hierarchy = "created_at"
