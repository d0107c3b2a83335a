from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import migrations


def words(*fields):
    return SearchVector(*fields, config="simple") + SearchVector(*fields, config="english")


class Migration(migrations.Migration):
    dependencies = [("assistants", "0007_what_life_needs")]

    operations = [
        migrations.AddIndex(
            model_name="assistantversion",
            index=GinIndex(words("name", "description", "starters"), name="version_told_words"),
        ),
        migrations.AddIndex(
            model_name="assistantversion",
            index=GinIndex(words("instructions"), name="version_instruction_words"),
        ),
    ]
