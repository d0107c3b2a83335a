"""What an assistant's life needs: the parts that its live version reads, and when its owners were reminded."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def fill(apps: Any, schema_editor: Any) -> None:
    Assistant, LivePart = apps.get_model("assistants", "Assistant"), apps.get_model("assistants", "LivePart")
    rows = Assistant.objects.filter(live__isnull=False, live__reads_all=False).select_related("live")
    parts = (
        LivePart(assistant=row, source=entry["data_source"], node_id=node)
        for row in rows.iterator(chunk_size=1000)
        for entry in row.live.knowledge
        for node in ([None] if entry.get("parents_in") is None else entry["parents_in"])
    )
    LivePart.objects.bulk_create(parts, batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [
        ("assistants", "0006_what_insight_looks_up"),
        ("datasources", "0001_initial"),
    ]
    operations = [
        migrations.AddField("assistant", "reminded", models.DateTimeField(blank=True, null=True)),
        migrations.AddIndex("assistant", models.Index(fields=["workspace", "scope"], name="assistants_by_scope")),
        migrations.AddIndex(
            "assistant",
            models.Index(
                condition=models.Q(("vetted_until__isnull", False)), fields=["vetted_until"], name="vettings_that_end"
            ),
        ),
        migrations.CreateModel(
            name="LivePart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.UUIDField(db_index=True)),
                (
                    "assistant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="assistants.assistant"
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="datasources.node",
                    ),
                ),
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
