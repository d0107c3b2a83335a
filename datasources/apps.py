from django.apps import AppConfig


class DatasourcesConfig(AppConfig):
    name = "datasources"
    verbose_name = "Data"

    def ready(self) -> None:
        from . import alerts, embedder_choice, shell, waiting  # noqa: F401  (registers menu items, rules, readiness checks, who is told of what)
