"""The Celery app. The queue carries ids only; the database is the record of all work."""

import os
from typing import Any

from celery import Celery
from celery.loaders.app import AppLoader
from celery.signals import beat_init, celeryd_init, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")


class Loader(AppLoader):
    def config_from_object(self, obj: Any, silent: bool = False) -> Any:
        """A setting that can't be used ends a worker or a beat with the sentence that says so, not with a traceback."""
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured

        try:
            settings.PROFILE  # noqa: B018  reads all settings
        except ImproperlyConfigured as error:
            raise SystemExit(f"Atrium can't start: {error}") from None
        return super().config_from_object(obj, silent=silent)


app = Celery("atrium", loader="portal.celery:Loader")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logs(**_: object) -> None:
    """Having a receiver at all keeps Celery from configuring logs of its own."""


@celeryd_init.connect
@beat_init.connect
def _need_services(**_: object) -> None:
    """A worker or a beat outside the portal's process tree needs everything outside it too."""
    from django.conf import settings

    from portal.embedded import is_launched

    if settings.PROFILE != "services" and not is_launched():
        raise SystemExit(
            "Atrium can't start: a worker or beat of its own also needs "
            f"{', '.join(settings.MISSING_SERVICES)}; see docs/operator-guide.md."
        )
