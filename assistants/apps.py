from django.apps import AppConfig


class AssistantsConfig(AppConfig):
    name = "assistants"
    verbose_name = "Assistants"

    def ready(self) -> None:
        from . import shell  # noqa: F401  (registers menu items, rules, panels)
