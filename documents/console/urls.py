from django.urls import path

from documents.console import chunks, jobs

urlpatterns = [
    path("documents/", jobs.jobs, name="console-documents"),
    path("documents/act/", jobs.act, name="console-documents-act"),
    path("documents/<uuid:pk>/", jobs.job, name="console-document"),
    path("documents/<uuid:pk>/passages/", chunks.chunks, name="console-chunks"),
    path("documents/<uuid:pk>/look/", chunks.look, name="console-document-look"),
    path("documents/<uuid:pk>/passages/<int:chunk>/", chunks.switch, name="console-chunk"),
]
