from django.urls import path

from chat.on_your_data import views

urlpatterns = [
    path("deployments/<str:deployment>/chat/completions", views.chat_completions, name="on-your-data"),
    path("deployments/<str:deployment>/extensions/chat/completions", views.extensions, name="on-your-data-extensions"),
    path("v1/chat/completions", views.v1_chat_completions, name="on-your-data-v1"),
    path("<path:rest>", views.elsewhere),
]
