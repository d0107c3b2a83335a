"""``python -m bench.crowd <assistants> <people> <messages>``: a company that uses the portal a lot, as rows, into ``demo``.

Run while the portal is down, as the index has one owner. Small tables go through the ORM; conversations and what hangs on them
are written by the database itself, from generated numbers. Use is uneven, as it is: few assistants are asked by most.
"""

from __future__ import annotations

import random
import sys
import time
from typing import Any

import django

SOURCES, NODES_EACH, SPACES, SPACE_SIZE = 20, 200, 20, 150
TURNS = 2.5
DAYS = 90
VERSIONS = 2
PAGES = 40
"""Of each source that answers cite."""
MANY_VERSIONS = 60
"""Of the assistant that is used most."""
TEMPLATES = 300


def fill(assistants: int, people: int, messages: int) -> None:
    from django.db import connection

    from assistants import uses
    from bench.tasks import Tasks
    from datasources.reading import embedder_for
    from portal.models import Workspace
    from portal.providers.local import LocalEmbedder

    workspace = Workspace.objects.get(slug="demo")
    model = embedder_for(workspace)
    assert isinstance(model, LocalEmbedder)
    tasks = Tasks(model)
    LocalEmbedder.embed_documents = lambda _self, texts: tasks.embed(texts)  # type: ignore[method-assign]
    crowd = _people(workspace, people)
    sources = _sources(workspace, crowd)
    _assistants(workspace, crowd, sources, assistants)
    with connection.cursor() as cursor:
        # What is written here hangs together by how it is made; asking for each row would take as long as the writing.
        cursor.execute("SET session_replication_role = replica")
        _talk(cursor, workspace.pk, messages)
        _kept(cursor, model.space, tasks)
        cursor.execute("SET session_replication_role = origin")
        tell("statistics")
        cursor.execute("ANALYZE")
    tell("days of use")
    uses.rebuild(workspace)
    _standing(workspace.pk)
    _templates(workspace)
    _spent()
    _described(workspace, tasks)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def tell(words: str) -> None:
    print(f"  {words} …", flush=True)


def _people(workspace: Any, number: int) -> list[int]:
    """Members, a tenth of them builders; the space of each is the one of its number, and some are in none."""
    from portal.models import Membership, Space, User

    tell(f"{number:,} people")
    made = User.objects.bulk_create(
        [User(email=f"person{n}@bench.example", name=f"Person {n}", password="!") for n in range(number)],
        batch_size=2000,
    )
    roles = ("builder", *["member"] * 9)
    Membership.objects.bulk_create(
        [Membership(workspace=workspace, user=user, role=roles[n % 10]) for n, user in enumerate(made)], batch_size=2000
    )
    spaces = Space.objects.bulk_create(
        [Space(workspace=workspace, name=f"Team {n}", kind=Space.Kind.RESTRICTED) for n in range(SPACES)]
    )
    for n, space in enumerate(spaces):
        space.members.set(made[n::SPACES][:SPACE_SIZE])
    return [user.pk for user in made]


def _sources(workspace: Any, crowd: list[int]) -> list[Any]:
    """Half of them for everybody, a quarter whole for a team, a quarter in parts for two teams."""
    from datasources.models import DataSource, Grant, Node, node_id
    from portal.models import Space

    tell(f"{SOURCES} sources")
    company = Space.objects.get(workspace=workspace, name="Company")
    teams = list(Space.objects.filter(workspace=workspace, kind=Space.Kind.RESTRICTED).order_by("name"))
    made = []
    for n in range(SOURCES):
        source = DataSource.objects.create(workspace=workspace, kind="upload", name=f"Source {n}", state="ok")
        nodes = []
        for folder in range(10):
            above = node_id(source.pk, f"f{folder}")
            nodes.append(Node(id=above, workspace=workspace, source=source, external_id=f"f{folder}", kind="folder",
                              title=f"Folder {folder}", parents=[above], path=f"Folder {folder}", status="container", has_children=True))  # fmt: skip
            for page in range(NODES_EACH // 10 - 1):
                name = f"f{folder}/p{page}"
                key = node_id(source.pk, name)
                nodes.append(Node(id=key, workspace=workspace, source=source, external_id=name, kind="file", title=f"Page {page}",
                                  parent_id=above, parents=[key, above], path=f"Folder {folder} / Page {page}", depth=1, status="indexed"))  # fmt: skip
        Node.objects.bulk_create(nodes)
        folders = [node_id(source.pk, f"f{folder}") for folder in range(10)]
        if n % 4 < 2:
            Grant.objects.create(space=company, source=source)
        elif n % 4 == 2:
            Grant.objects.create(space=teams[n % SPACES], source=source)
        else:
            Grant.objects.create(space=teams[n % SPACES], source=source, parents_in=folders[:5])
            Grant.objects.create(space=company, source=source, parents_in=folders[5:])
        made.append((source, folders))
    return made


def _assistants(workspace: Any, crowd: list[int], sources: list[Any], number: int) -> None:
    from assistants.models import Assistant, AssistantVersion, Favourite, LivePart

    tell(f"{number:,} assistants")
    chance = random.Random(1)
    texts = _Texts(chance)
    scopes = ("personal", *["published"] * 6, "workspace")
    rows, versions, parts, owners = [], [], [], []
    for n in range(number):
        row = Assistant(
            workspace=workspace, handle=f"helper-{n}", scope=scopes[n % 8], stage=("alpha", "beta", "stable")[n % 3]
        )
        source, folders = sources[int(len(sources) * chance.random() ** 2)]
        some = [chance.choice(folders) for _ in range(n % 3)]
        entry = {
            "data_source": str(source.pk),
            "parents_in": [str(node) for node in some] or None,
            "parents_not_in": [],
        }
        versions += [_version(row, place, entry, texts) for place in range(1, VERSIONS + 1)]
        row.reads = [source.pk]
        parts += [LivePart(assistant=row, source=source.pk, node_id=node) for node in dict.fromkeys(some or [None])]
        owners.append(Assistant.owners.through(assistant_id=row.pk, user_id=chance.choice(crowd)))
        rows.append(row)
    Assistant.objects.bulk_create(rows, batch_size=2000)
    AssistantVersion.objects.bulk_create(versions, batch_size=1000)
    newest = versions[VERSIONS - 1 :: VERSIONS]
    for row, version in zip(rows, newest, strict=True):
        row.live = row.latest = version
    Assistant.objects.bulk_update(rows, ["live", "latest"], batch_size=1000)
    LivePart.objects.bulk_create(parts, batch_size=5000)
    Assistant.owners.through._default_manager.bulk_create(owners, batch_size=5000)
    kept = {(chance.choice(crowd), chance.choice(rows).pk) for _ in range(2 * len(crowd))}
    Favourite.objects.bulk_create([Favourite(user_id=user, assistant_id=key) for user, key in kept], batch_size=5000)


class _Texts:
    """Texts to draw from: drawing each anew would take longer than all the rest."""

    def __init__(self, chance: random.Random) -> None:
        from bench.words import Writer

        writer = Writer(1)
        self.chance = chance
        self.words = [word for _ in range(20) for word in writer.words(100)]
        self.lines = [writer.sentences(1) for _ in range(1500)]
        self.questions = [writer.question() for _ in range(1000)]

    def some(self, of: str, number: int) -> list[str]:
        return self.chance.sample(getattr(self, of), number)


def _version(assistant: Any, number: int, entry: dict[str, Any], texts: _Texts) -> Any:
    from django.utils import timezone

    from assistants.models import AssistantVersion
    from bench import tasks

    return AssistantVersion(
        assistant=assistant, number=number, name=" ".join(texts.some("words", 3)).title(), description=tasks.some(texts.chance),
        emoji="🔧", colour="teal", instructions=" ".join(texts.some("lines", 12)), knowledge=[entry],
        starters=texts.some("questions", 3), tags=texts.some("words", 2),
        went_live=None if assistant.scope == "personal" else timezone.now(),
    )  # fmt: skip


# ---- Written by the database -------------------------------------------------------------------------------------


def insert(cursor: Any, model: Any, given: dict[str, str], rows: str) -> None:
    """``given``: SQL for columns, over ``rows`` (what follows FROM); every other column has the model's own default."""
    columns = {field.column: given.get(field.column, _default(field)) for field in model._meta.concrete_fields}
    columns = {name: value for name, value in columns.items() if value is not None}
    names = ", ".join(f'"{name}"' for name in columns)
    cursor.execute(f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(columns.values())} FROM {rows}")


def _default(field: Any) -> str | None:
    """As SQL; None for what the database counts up itself."""
    from django.db import models

    if isinstance(field, models.AutoField):
        return None
    value = field.get_default()
    if value is None or field.is_relation:
        return "NULL"
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list) and field.get_internal_type() == "ArrayField":
        return "'{}'"
    if isinstance(value, list | dict):
        return "'[]'::jsonb" if isinstance(value, list) else "'{}'::jsonb"
    return f"'{value}'" if isinstance(value, str) else "now()"


def _talk(cursor: Any, workspace: Any, messages: int) -> None:
    from assistants.models import Citation, Conversation, Feedback, Message
    from portal.models import UsageRecord

    talks = round(messages / 2 / TURNS)
    tell(f"{talks:,} conversations, {messages:,} messages")
    cursor.execute("SELECT setseed(0.5)")
    cursor.execute(
        "CREATE TEMP TABLE who AS SELECT row_number() OVER (ORDER BY user_id) - 1 AS n, user_id FROM portal_membership WHERE workspace_id = %s",
        [workspace],
    )
    cursor.execute(
        "CREATE TEMP TABLE what AS SELECT row_number() OVER (ORDER BY handle) - 1 AS n, id, live_id, reads[1] AS source FROM assistants_assistant "
        "WHERE workspace_id = %s AND scope <> 'personal'",
        [workspace],
    )
    cursor.execute("CREATE UNIQUE INDEX ON who (n)")
    cursor.execute("CREATE UNIQUE INDEX ON what (n)")
    # People ask a few assistants again and again, and a few assistants are asked by many.
    cursor.execute(
        f"""
        CREATE TEMP TABLE talk AS
        WITH drawn AS (
            SELECT n, md5('talk' || n)::uuid AS id, floor(random() ^ 1.4 * (SELECT count(*) FROM who))::int AS w,
                   random() ^ 3 AS a, now() - random() ^ 1.2 * interval '{DAYS} days' AS begun, 1 + n % 4 AS turns
            FROM generate_series(1, {talks}) n)
        SELECT d.n, d.id, who.user_id, what.id AS assistant, what.live_id, what.source, d.begun, d.turns
        FROM drawn d JOIN who ON who.n = d.w
        JOIN what ON what.n = floor(d.a * (SELECT count(*) FROM what))::int
        """
    )
    insert(cursor, Conversation, {"id": "id", "workspace_id": f"'{workspace}'", "owner_id": "user_id", "assistant_id": "assistant",
           "title": "'Talk ' || n", "head_id": "md5('a' || n || '-' || turns)::uuid", "created": "begun", "updated": "begun + interval '9 minutes'"},
           "talk")  # fmt: skip
    turns = "talk, generate_series(1, talk.turns) t"
    at = "begun + t * interval '2 minutes'"
    insert(cursor, Message, {"id": "md5('q' || n || '-' || t)::uuid", "conversation_id": "id", "author_id": "user_id", "role": "'user'",
           "parent_id": "CASE WHEN t > 1 THEN md5('a' || n || '-' || t - 1)::uuid END", "content": "'Question ' || n % 5000", "status": "'completed'",
           "created": at}, turns)  # fmt: skip
    insert(cursor, Message, {"id": "md5('a' || n || '-' || t)::uuid", "conversation_id": "id", "author_id": "user_id", "role": "'assistant'",
           "assistant_id": "assistant", "version_id": "live_id", "parent_id": "md5('q' || n || '-' || t)::uuid", "content": "repeat('An answer. ', 12) || '[1]'",
           "model": "'quotes/quotes'", "status": "'completed'", "found": "(n + t) % 9 > 0", "created": at,
           "finished": f"{at} + interval '1 second'", "via": "CASE WHEN n % 20 = 0 THEN 'api' ELSE 'portal' END"}, turns)  # fmt: skip
    tell("thumbs, citations, what was spent")
    insert(cursor, Feedback, {"id": "gen_random_uuid()", "message_id": "md5('a' || n || '-' || t)::uuid", "version_id": "live_id", "user_id": "user_id",
           "up": "n % 7 > 0", "comment": "CASE WHEN n % 5 = 0 THEN 'A comment.' ELSE '' END", "created": at}, f"{turns} WHERE (n + t) % 18 = 0")  # fmt: skip
    # Pages go round over the source, so that most of an assistant's slice is never cited.
    cursor.execute(
        "CREATE TEMP TABLE page AS SELECT id, source_id, row_number() OVER (PARTITION BY source_id ORDER BY external_id) - 1 AS n "
        "FROM datasources_node WHERE workspace_id = %s AND kind = 'file'",
        [workspace],
    )
    cursor.execute("CREATE INDEX ON page (source_id, n)")
    insert(cursor, Citation, {"message_id": "md5('a' || talk.n || '-' || t)::uuid", "n": "c", "cited": "true", "source": "talk.source",
           "node": "page.id", "start": "0", "end": "200", "content_hash": "'x'"},
           f"{turns}, generate_series(1, 3) c, page WHERE page.source_id = talk.source AND page.n = (talk.n * 7 + c * 11) % {PAGES} "
           "AND begun > now() - interval '31 days'")  # fmt: skip
    insert(cursor, UsageRecord, {"workspace_id": f"'{workspace}'", "user_id": "user_id", "purpose": "'answer'", "vendor": "'bench'",
           "model": "'model-' || n % 4", "assistant": "assistant", "message": "md5('a' || n || '-' || t)::uuid", "input_tokens": "1500",
           "output_tokens": "200", "cost": "0.004", "at": at}, turns)  # fmt: skip


def _kept(cursor: Any, space: str, tasks: Any) -> None:
    """Questions as vectors, as the rounds leave them; otherwise the portal would be busy with a quarter's while it is measured."""
    from assistants.likeness.questions import packed
    from assistants.models import QuestionVector
    from bench.tasks import DESCRIPTIONS

    tell("questions as vectors")
    cursor.execute("CREATE TEMP TABLE like_it (n int PRIMARY KEY, vector bytea)")
    rows = [(n, packed(tasks.near(text))) for n, text in enumerate(DESCRIPTIONS)]
    cursor.executemany("INSERT INTO like_it VALUES (%s, %s)", rows)
    insert(cursor, QuestionVector, {"message_id": "md5('q' || talk.n || '-' || t)::uuid", "assistant_id": "assistant", "space": f"'{space}'",
           "vector": "like_it.vector", "well": "(talk.n + t) % 9 > 0", "created": "begun + t * interval '2 minutes'"},
           f"talk, generate_series(1, talk.turns) t, like_it WHERE like_it.n = talk.n % {len(DESCRIPTIONS)} AND talk.n % 20 > 0")  # fmt: skip


def _standing(workspace: Any) -> None:
    from gallery import standing

    tell("ranks")
    standing.refresh(workspace)
    _revised(workspace)


def most_used(workspace: Any) -> Any:
    """Of those that an admin vetted and that read parts of a source."""
    from assistants.models import Assistant

    rows = Assistant.objects.filter(workspace=workspace, scope="workspace", parts__node__isnull=False)
    return rows.order_by("-standing__score", "handle")[0]


def _revised(workspace: Any) -> None:
    """The assistant that is used most was saved many times; people run what they ran."""
    from assistants.models import Assistant, AssistantVersion

    most = most_used(workspace)
    assert most.live is not None
    made = []
    for number in range(VERSIONS + 1, MANY_VERSIONS + 1):
        version = AssistantVersion.objects.get(pk=most.live.pk)
        version.pk, version.number, version.instructions = None, number, f"{version.instructions} {number}"
        version.id = AssistantVersion._meta.pk.get_default()
        made.append(version)
    AssistantVersion.objects.bulk_create(made)
    Assistant.objects.filter(pk=most.pk).update(latest=made[-1])


def _templates(workspace: Any) -> None:
    """What people of the workspace offered, approved, beside those that come with the product."""
    from bench.tasks import DESCRIPTIONS
    from gallery.models import Template, TemplateVersion

    tell(f"{TEMPLATES} templates")
    like = TemplateVersion.objects.filter(template__workspace=None, template__latest__isnull=False).order_by("pk")
    bodies = list(
        like.values("body", "slots", "sample_question", "sample_answer", "template__department", "template__task")
    )
    for number in range(TEMPLATES):
        body = bodies[number % len(bodies)]
        about = {"department": body["template__department"], "task": body["template__task"]}
        row = Template.objects.create(workspace=workspace, slug=f"bench-{number}", state="workspace", **about)
        version = {name: body[name] for name in ("body", "slots", "sample_question", "sample_answer")}
        row.latest = TemplateVersion.objects.create(
            template=row,
            number=1,
            name=f"Template {number}",
            description=DESCRIPTIONS[number % len(DESCRIPTIONS)],
            **version,
        )
        row.save(update_fields=["latest"])


def _spent() -> None:
    from portal import usage_days

    tell("what was spent, by day")
    usage_days.roll_up()


def _described(workspace: Any, tasks: Any) -> None:
    """The index's own collections of assistants: what each does, and what it answered well."""
    from assistants.likeness import describing
    from assistants.models import Assistant
    from datasources.reading import close_index

    tell("what assistants are like")
    keys = list(Assistant.objects.filter(workspace=workspace).values_list("pk", flat=True))
    for first in range(0, len(keys), 1000):
        describing.describe(workspace, keys[first : first + 1000])
        _answered(workspace, tasks, keys[first : first + 1000])
    _asked_before(tasks)
    close_index()


def _answered(workspace: Any, tasks: Any, keys: list[Any]) -> None:
    """As if each was asked by a few people what its description says."""
    from django.utils import timezone

    from assistants.likeness.collection import answered_space, index_of, point_of
    from assistants.models import Assistant, Likeness
    from datasources.reading import embedder_for

    embedder, index = embedder_for(workspace), index_of(workspace.pk)
    offered = Assistant.objects.filter(pk__in=keys, live__isnull=False).exclude(scope="personal")
    rows = list(offered.select_related("live").defer("live__instructions").prefetch_related("owners"))
    points = [point_of(row, tasks.near(row.live.description), "") for row in rows if row.live]
    if points:
        index.ensure(answered_space(embedder.space), embedder.size)
        index.upsert(answered_space(embedder.space), points)
    Likeness.objects.filter(pk__in=[row.pk for row in rows]).update(answered_count=5, updated=timezone.now())


def _asked_before(tasks: Any) -> None:
    """What the member whose pages are measured was answered well."""
    from assistants.likeness.questions import packed
    from assistants.models import Message, QuestionVector
    from bench.governing import MEMBER
    from portal.providers.local import LocalEmbedder

    mine = Message.objects.filter(author__email=MEMBER, role="assistant", assistant__isnull=False).order_by("-created")
    for answer in mine.select_related("assistant__live")[:100]:
        if answer.assistant is not None and answer.assistant.live is not None and answer.parent_id is not None:
            vector = packed(tasks.near(answer.assistant.live.description))
            about = {"assistant": answer.assistant, "space": LocalEmbedder.space, "vector": vector, "well": True}
            QuestionVector.objects.update_or_create(message_id=answer.parent_id, defaults=about)


if __name__ == "__main__":
    from portal import postgres

    postgres.start()
    django.setup()
    began = time.monotonic()
    fill(*(int(argument) for argument in sys.argv[1:4]))
    print(f"filled in {time.monotonic() - began:.0f} s")
