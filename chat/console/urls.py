from django.urls import path

from chat.console import batches, moderation, overview, permissions, questions, wording

urlpatterns = [
    path("", overview.overview, name="console"),
    path("questions/", questions.questions, name="console-questions"),
    path("questions/<uuid:pk>/", questions.question, name="console-question"),
    path("questions/<uuid:pk>/view/", questions.view_question, name="console-question-view"),
    path("questions/<uuid:pk>/case/", questions.keep_case, name="console-question-case"),
    path("feedback/<int:pk>/resolve/", questions.resolve, name="console-feedback-resolve"),
    path("feedback/<int:pk>/assign/", questions.assign, name="console-feedback-assign"),
    path("gaps/", questions.gap_map, name="console-gaps"),
    path("permissions/", permissions.permissions, name="console-permissions"),
    path("permissions/prove/", permissions.prove, name="console-permissions-prove"),
    path("permissions/stop/", permissions.stop, name="console-permissions-stop"),
    path("wording/", wording.wording, name="console-wording"),
    path("wording/new/", wording.new_template, name="console-wording-new"),
    path("wording/<int:pk>/use/", wording.use_template, name="console-wording-use"),
    path("wording/try/", wording.try_wording, name="console-wording-try"),
    path("moderation/", moderation.moderation, name="console-moderation"),
    path("batches/", batches.batches, name="batches"),
    path("batches/begin/", batches.begin_batch, name="batch-begin"),
    path("batches/<uuid:pk>/", batches.batch, name="batch"),
    path("batches/<uuid:pk>/cancel/", batches.cancel_batch, name="batch-cancel"),
    path("batches/<uuid:pk>/answers/", batches.download_batch, name="batch-answers"),
]
