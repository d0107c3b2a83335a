import portal.models.people
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('portal', '0004_user_unmailed'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='apikey',
            options={'verbose_name': 'API key'},
        ),
        migrations.AddField(
            model_name='user',
            name='language',
            field=models.CharField(blank=True, max_length=8),
        ),
        migrations.AddField(
            model_name='user',
            name='picture',
            field=models.FileField(blank=True, db_index=True, upload_to=portal.models.people._new_portrait),
        ),
    ]
