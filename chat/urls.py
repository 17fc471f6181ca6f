from django.urls import path

from chat import views

urlpatterns = [
    path("", views.conversations, name="conversations"),
    path("ask/", views.ask, name="ask"),
    path("scope/", views.choose, name="scope"),
    path("scope/ask/", views.ask_these, name="ask-these"),
    path("ask/estimate/", views.estimate, name="estimate"),
    path("conversations/<uuid:pk>/ask/estimate/", views.estimate, name="estimate-more"),
    path("conversations/<uuid:pk>/", views.conversation, name="conversation"),
    path("conversations/<uuid:pk>/ask/", views.ask, name="ask-more"),
    path("conversations/<uuid:pk>/rename/", views.rename, name="conversation-rename"),
    path("conversations/<uuid:pk>/delete/", views.delete, name="conversation-delete"),
    path("answers/<uuid:pk>/stream/", views.stream, name="message-stream"),
    path("answers/<uuid:pk>/stop/", views.stop, name="message-stop"),
    path("answers/<uuid:pk>/sources/<int:number>/", views.source, name="message-source"),
    path("answers/<uuid:pk>/next/", views.suggestions, name="message-next"),
    path("answers/<uuid:pk>/again/", views.again, name="message-again"),
]
