from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import migrations, models

# Not inlined, as they are no plain SQL, and said to be dear: where a word is common, the planner would otherwise read all
# versions and take their texts apart again, which takes seconds for ten thousand.
MAKE = """
    CREATE OR REPLACE FUNCTION assistants_words(body text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10000 AS $$
    BEGIN
        RETURN to_tsvector('pg_catalog.simple', COALESCE(body, '')) || to_tsvector('pg_catalog.english', COALESCE(body, ''));
    END $$;
    CREATE OR REPLACE FUNCTION assistants_told_words(name text, description text, starters jsonb, tags text[])
    RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10000 AS $$
    DECLARE
        body text := concat_ws(' ', name, description, starters::text, array_to_string(tags, ' '));
    BEGIN
        RETURN to_tsvector('pg_catalog.simple', body) || to_tsvector('pg_catalog.english', body);
    END $$;
"""
DROP = """
    DROP FUNCTION assistants_words(text);
    DROP FUNCTION assistants_told_words(text, text, jsonb, text[]);
"""


class Migration(migrations.Migration):
    dependencies = [("assistants", "0009_found_by_tags")]

    operations = [
        migrations.RunSQL(MAKE, DROP),
        migrations.RemoveIndex(model_name="assistantversion", name="version_told_words"),
        migrations.RemoveIndex(model_name="assistantversion", name="version_instruction_words"),
        migrations.AddIndex(
            model_name="assistantversion",
            index=GinIndex(
                models.Func(
                    *("name", "description", "starters", "tags"),
                    function="assistants_told_words",
                    output_field=SearchVectorField(),
                ),
                name="version_told_words",
            ),
        ),
        migrations.AddIndex(
            model_name="assistantversion",
            index=GinIndex(
                models.Func("instructions", function="assistants_words", output_field=SearchVectorField()),
                name="version_instruction_words",
            ),
        ),
        migrations.RunSQL(
            "DROP FUNCTION assistants_tags_text(text[])",
            "CREATE FUNCTION assistants_tags_text(tags text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE "
            "AS $$ SELECT array_to_string(tags, ' ') $$",
        ),
    ]
