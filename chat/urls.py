from django.urls import path

from chat import citing, views

urlpatterns = [
    path("", views.conversations, name="conversations"),
    path("ask/", views.ask, name="ask"),
    path("scope/", views.choose, name="scope"),
    path("scope/ask/", views.ask_these, name="ask-these"),
    path("ask/estimate/", views.estimate, name="estimate"),
    path("conversations/<uuid:pk>/ask/estimate/", views.estimate, name="estimate-more"),
    path("conversations/search/", views.search, name="conversation-search"),
    path("conversations/<uuid:pk>/", views.conversation, name="conversation"),
    path("conversations/<uuid:pk>/ask/", views.ask, name="ask-more"),
    path("conversations/<uuid:pk>/rename/", views.rename, name="conversation-rename"),
    path("conversations/<uuid:pk>/delete/", views.delete, name="conversation-delete"),
    path("conversations/<uuid:pk>/pin/", views.pin, name="conversation-pin"),
    path("conversations/<uuid:pk>/undo/", views.bring_back, name="conversation-undo"),
    path("conversations/<uuid:pk>/shares/", views.shares, name="conversation-shares"),
    path("conversations/<uuid:pk>/export.md", views.export_markdown, name="conversation-markdown"),
    path("conversations/<uuid:pk>/export.json", views.export_json, name="conversation-json"),
    path("conversations/<uuid:pk>/print/", views.printed, name="conversation-print"),
    path("shares/<int:pk>/revoke/", views.revoke, name="share-revoke"),
    path("shared/<str:token>/", views.shared, name="shared"),
    path("questions/<uuid:pk>/edit/", views.edit, name="message-edit"),
    path("answers/<uuid:pk>/stream/", views.stream, name="message-stream"),
    path("answers/<uuid:pk>/stop/", views.stop, name="message-stop"),
    path("answers/<uuid:pk>/sources/<int:number>/", views.source, name="message-source"),
    path("answers/<uuid:pk>/next/", views.suggestions, name="message-next"),
    path("cite/<uuid:pk>/", citing.cite, name="cite"),
    path("rechecks/<int:pk>/dismiss/", citing.dismiss, name="recheck-dismiss"),
    path("answers/<uuid:pk>/feedback/", views.feedback, name="message-feedback"),
    path("answers/<uuid:pk>/again/", views.again, name="message-again"),
]
