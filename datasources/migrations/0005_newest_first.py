from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    dependencies = [
        ("datasources", "0004_when_a_source_broke"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="node",
            index=models.Index(
                models.F("workspace"),
                models.OrderBy(Coalesce("modified", "created"), descending=True),
                name="node_newest",
            ),
        ),
    ]
