from django.urls import path

from documents.console import chunks, evaluation, indexes, jobs, playground, runs

urlpatterns = [
    path("indexes/", indexes.indexes, name="console-indexes"),
    path("indexes/new/", indexes.new, name="console-index-new"),
    path("indexes/<int:pk>/", indexes.index, name="console-index"),
    path("indexes/<int:pk>/build/", indexes.build, name="console-index-build"),
    path("indexes/<int:pk>/test/", indexes.test, name="console-index-test"),
    path("indexes/<int:pk>/compare/", indexes.compare, name="console-index-compare"),
    path("indexes/<int:pk>/rollback/", indexes.roll_back, name="console-index-rollback"),
    path("indexes/<int:pk>/versions/<int:number>/<str:act>/", indexes.act_on, name="console-version-act"),
    path("documents/", jobs.jobs, name="console-documents"),
    path("documents/act/", jobs.act, name="console-documents-act"),
    path("documents/<uuid:pk>/", jobs.job, name="console-document"),
    path("documents/<uuid:pk>/passages/", chunks.chunks, name="console-chunks"),
    path("documents/<uuid:pk>/look/", chunks.look, name="console-document-look"),
    path("documents/<uuid:pk>/passages/<int:chunk>/", chunks.switch, name="console-chunk"),
    path("search/", playground.playground, name="console-search"),
    path("search/keep/", playground.keep, name="console-search-keep"),
    path("evaluation/", evaluation.evaluation, name="console-evaluation"),
    path("evaluation/new/", evaluation.new_set, name="console-evaluation-new"),
    path("evaluation/sets/<int:pk>/", evaluation.one_set, name="console-evaluation-set"),
    path("evaluation/sets/<int:pk>/upload/", evaluation.upload, name="console-evaluation-upload"),
    path("evaluation/sets/<int:pk>/download/", evaluation.download, name="console-evaluation-download"),
    path("evaluation/sets/<int:pk>/delete/", evaluation.delete_set, name="console-evaluation-delete"),
    path("evaluation/sets/<int:pk>/begin/", runs.begin_run, name="console-evaluation-begin"),
    path("evaluation/sets/<int:pk>/cases/", evaluation.save_case, name="console-case-new"),
    path("evaluation/sets/<int:pk>/cases/<int:case>/", evaluation.save_case, name="console-case"),
    path("evaluation/sets/<int:pk>/cases/<int:case>/delete/", evaluation.delete_case, name="console-case-delete"),
    path("evaluation/runs/<int:pk>/", runs.run, name="console-evaluation-run"),
    path("evaluation/runs/<int:pk>/cancel/", runs.cancel_run, name="console-evaluation-cancel"),
]
