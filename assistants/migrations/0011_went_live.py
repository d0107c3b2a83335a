"""Which versions people could ask, and the handles that an assistant had while they could."""

from typing import Any

import django.contrib.postgres.fields
from django.db import migrations, models
from django.db.models import Exists, F, OuterRef, Q


def fill(apps: Any, schema_editor: Any) -> None:
    """What people run now, what an admin approved, and what answered somebody who does not own the assistant. When that was
    first is not known: never before it was saved."""
    Version, Message = apps.get_model("assistants", "AssistantVersion"), apps.get_model("assistants", "Message")
    Owner = apps.get_model("assistants", "Assistant").owners.through
    VettingRequest = apps.get_model("assistants", "VettingRequest")
    theirs = Owner.objects.filter(assistant=OuterRef("assistant"), user=OuterRef("author"))
    answered = Message.objects.filter(~Exists(theirs), version=OuterRef("pk"), author__isnull=False)
    approved = VettingRequest.objects.filter(version=OuterRef("pk"), state="approved")
    live = Q(pk=F("assistant__live")) & ~Q(assistant__scope="personal")
    rows = Version.objects.filter(live | Exists(approved) | Exists(answered)).values("pk")
    Version.objects.filter(pk__in=rows).update(went_live=F("created"))


class Migration(migrations.Migration):
    dependencies = [("assistants", "0010_words_at_their_cost")]

    operations = [
        migrations.AddField(
            "assistantversion", "went_live", models.DateTimeField(blank=True, editable=False, null=True)
        ),
        migrations.AddField(
            "assistant",
            "former_handles",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=40), blank=True, default=list, editable=False, size=None
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
