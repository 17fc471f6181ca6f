from django.urls import path

from chat import console, console_permissions, console_questions, overview

urlpatterns = [
    path("", overview.overview, name="console"),
    path("questions/", console_questions.questions, name="console-questions"),
    path("questions/<uuid:pk>/", console_questions.question, name="console-question"),
    path("questions/<uuid:pk>/view/", console_questions.view_question, name="console-question-view"),
    path("questions/<uuid:pk>/case/", console_questions.keep_case, name="console-question-case"),
    path("feedback/<int:pk>/resolve/", console_questions.resolve, name="console-feedback-resolve"),
    path("feedback/<int:pk>/assign/", console_questions.assign, name="console-feedback-assign"),
    path("gaps/", console_questions.gap_map, name="console-gaps"),
    path("permissions/", console_permissions.permissions, name="console-permissions"),
    path("permissions/prove/", console_permissions.prove, name="console-permissions-prove"),
    path("permissions/stop/", console_permissions.stop, name="console-permissions-stop"),
    path("wording/", console.wording, name="console-wording"),
    path("wording/new/", console.new_template, name="console-wording-new"),
    path("wording/<int:pk>/use/", console.use_template, name="console-wording-use"),
    path("wording/try/", console.try_wording, name="console-wording-try"),
    path("moderation/", console.moderation, name="console-moderation"),
    path("batches/", console.batches, name="batches"),
    path("batches/begin/", console.begin_batch, name="batch-begin"),
    path("batches/<uuid:pk>/", console.batch, name="batch"),
    path("batches/<uuid:pk>/cancel/", console.cancel_batch, name="batch-cancel"),
    path("batches/<uuid:pk>/answers/", console.download_batch, name="batch-answers"),
]
