from django.urls import path

from documents.console import indexes, playground

urlpatterns = [
    path("indexes/", indexes.indexes, name="console-indexes"),
    path("indexes/new/", indexes.new, name="console-index-new"),
    path("indexes/<int:pk>/", indexes.index, name="console-index"),
    path("indexes/<int:pk>/build/", indexes.build, name="console-index-build"),
    path("indexes/<int:pk>/test/", indexes.test, name="console-index-test"),
    path("indexes/<int:pk>/compare/", indexes.compare, name="console-index-compare"),
    path("indexes/<int:pk>/rollback/", indexes.roll_back, name="console-index-rollback"),
    path("indexes/<int:pk>/versions/<int:number>/<str:act>/", indexes.act_on, name="console-version-act"),
    path("search/", playground.playground, name="console-search"),
    path("search/keep/", playground.keep, name="console-search-keep"),
]
