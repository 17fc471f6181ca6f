from django.urls import path

from documents.console import members

urlpatterns = [
    path("", members.members, name="console-members"),
    path("people/new/", members.new_person, name="console-person-new"),
    path("people/<int:pk>/", members.person, name="console-person"),
    path("people/<int:pk>/activate/", members.activate, name="console-person-activate"),
    path("collections/<uuid:pk>/give/", members.give, name="console-collection-give"),
]
