from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import checks, tasks  # noqa: F401 - they register themselves
        from documents.changes import arrived, changed, opened

        arrived.connect(tasks.documents_arrived)
        opened.connect(tasks.documents_arrived)
        changed.connect(tasks.documents_changed)
