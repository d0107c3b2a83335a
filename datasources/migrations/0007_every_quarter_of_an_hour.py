from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('datasources', '0006_children_as_shown'),
    ]

    operations = [
        migrations.AlterField(
            model_name='datasource',
            name='schedule',
            field=models.CharField(choices=[('off', 'Only by hand'), ('15min', 'Every 15 minutes'), ('hourly', 'Every hour'), ('daily', 'Every day')], default='off', max_length=8),
        ),
    ]
