from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gallery", "0002_offered_templates")]

    operations = [
        migrations.AddField(
            model_name="standing",
            name="recent",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="standing",
            name="due",
            field=models.BooleanField(default=False),
        ),
    ]
