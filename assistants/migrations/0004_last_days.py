from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("assistants", "0003_asking_tables")]

    operations = [
        migrations.AddField(
            model_name="assistantversion",
            name="last_days",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
    ]
