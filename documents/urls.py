from django.urls import path

from documents import views

urlpatterns = [
    path("", views.library, name="library"),
    path("upload/", views.upload, name="library-upload"),
    path("coming/", views.coming, name="library-coming"),
    path("bulk/", views.bulk, name="library-bulk"),
    path("collections/new/", views.new_collection, name="collection-new"),
    path("collections/<uuid:pk>/", views.collection, name="collection"),
    path("collections/<uuid:pk>/members/", views.members, name="collection-members"),
    path("<uuid:pk>/", views.document, name="document"),
    path("<uuid:pk>/receipt/", views.document_receipt, name="document-receipt"),
    path("<uuid:pk>/passages/", views.passages, name="document-passages"),
    path("<uuid:pk>/retry/", views.retry_document, name="document-retry"),
    path("<uuid:pk>/cancel/", views.cancel_document, name="document-cancel"),
    path("<uuid:pk>/delete/", views.delete_document, name="document-delete"),
    path("<uuid:pk>/password/", views.give_password, name="document-password"),
    path("<uuid:pk>/trust/", views.trust_document, name="document-trust"),
    path("<uuid:pk>/distrust/", views.distrust_document, name="document-distrust"),
    path("<uuid:pk>/original/", views.original, name="document-original"),
    path("<uuid:pk>/pages/<int:number>/", views.page, name="page"),
    path("<uuid:pk>/pages/<int:number>/image/", views.image, name="page-image"),
]
