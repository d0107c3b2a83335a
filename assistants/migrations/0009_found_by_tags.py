from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import migrations, models

MAKE = """
    CREATE OR REPLACE FUNCTION assistants_tags_text(tags text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT array_to_string(tags, ' ') $$
"""


def words(*fields):
    return SearchVector(*fields, config="simple") + SearchVector(*fields, config="english")


class TagsAsText(models.Func):
    function = "assistants_tags_text"
    output_field = models.TextField()


class Migration(migrations.Migration):
    dependencies = [("assistants", "0008_found_by_words")]

    operations = [
        migrations.RunSQL(MAKE, "DROP FUNCTION assistants_tags_text(text[])"),
        migrations.RemoveIndex(model_name="assistantversion", name="version_told_words"),
        migrations.AddIndex(
            model_name="assistantversion",
            index=GinIndex(words("name", "description", "starters", TagsAsText("tags")), name="version_told_words"),
        ),
        migrations.AddIndex(
            model_name="assistantversion",
            index=GinIndex(fields=["tags"], name="version_tags"),
        ),
    ]
