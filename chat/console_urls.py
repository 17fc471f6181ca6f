from django.urls import path

from chat import console, overview

urlpatterns = [
    path("", overview.overview, name="console"),
    path("wording/", console.wording, name="console-wording"),
    path("wording/try/", console.try_wording, name="console-wording-try"),
    path("moderation/", console.moderation, name="console-moderation"),
    path("batches/", console.batches, name="batches"),
    path("batches/begin/", console.begin_batch, name="batch-begin"),
    path("batches/<uuid:pk>/", console.batch, name="batch"),
    path("batches/<uuid:pk>/cancel/", console.cancel_batch, name="batch-cancel"),
    path("batches/<uuid:pk>/answers/", console.download_batch, name="batch-answers"),
]
