from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "People and workspace"

    def ready(self) -> None:
        from . import checks, shell, warming  # noqa: F401  (register themselves)
