"""Whether a source mirrors who may read what at its vendor: the verb that portal, admin and API share."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from datasources.connectors.registry import CONNECTORS
from datasources.models import DataSource, SyncRun
from datasources.runs import must_live, request_sync
from portal import audit
from portal.models import User


@transaction.atomic
def mirror_access(source: DataSource, on: bool, *, by: User | None) -> None:
    """Ask, or don't ask any more, what the vendor says about readers. Raises ValidationError where it can't be asked.

    It holds at once. Switched on, nobody reads what has not been told yet: all of it is listed anew, and no text is fetched or
    embedded again for it.
    """
    source = DataSource.objects.select_for_update().select_related("workspace").get(pk=source.pk)
    must_live(source)
    told = CONNECTORS.get(source.kind)
    if on and (told is None or not told.mirrors):
        raise ValidationError("This kind of place does not say who may read what; grants alone decide.")
    if source.mirror == on:
        return
    source.mirror = on
    source.save(update_fields=["mirror"])
    audit.record("source.mirror", workspace=source.workspace, actor=by, target=source, after={"mirror": on})
    if on and source.state != DataSource.State.DRAFT:
        request_sync(source, by=by, trigger=SyncRun.Trigger.FULL, again=True, full=True)
