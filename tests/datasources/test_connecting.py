"""Connecting a place in the browser, step by step, by the cast."""

import json
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from datasources import connecting, offering, sources
from datasources.connectors.base import Chosen, ConnectorError, Estimate
from datasources.connectors.registry import CONNECTORS
from datasources.forms import ConnectionForm
from datasources.models import DataSource, Level, Node, Selection, node_id
from datasources.oauth import secret_of
from portal.models import AuditEvent, Credential, Space
from tests import factories
from tests.datasources.places import TOKEN, Wiki, page, wiki  # noqa: F401

pytestmark = pytest.mark.django_db


def url(name, *args):
    return reverse(name, args=["acme", *args])


@pytest.fixture
def folder_root(tmp_path, settings):
    (tmp_path / "docs" / "leave").mkdir(parents=True)
    (tmp_path / "docs" / "a.md").write_text("# A\n\nText.")
    (tmp_path / "docs" / "leave" / "sick.md").write_text("# Sick\n\nText.")
    settings.FOLDER_ROOTS = [tmp_path]
    return tmp_path / "docs"


def test_with_no_folder_allowed_only_uploads_work_and_the_guide_is_read(cast, as_, settings, tmp_path):
    assert settings.GUIDE_DIR not in settings.FOLDER_ROOTS
    settings.FOLDER_ROOTS = []
    page = as_("admin").get("/w/acme/data/new/?kind=folder").content.decode()
    assert "make run FOLDER=path. Uploads work without." in page
    assert "Not set up on this server" in as_("admin").get("/w/acme/data/new/").content.decode()

    def at(path):
        return DataSource(workspace=cast.workspace, kind="folder", name="X", config={"path": str(path)})

    for path in (tmp_path, settings.GUIDE_DIR.parent, settings.GUIDE_DIR / "connectors"):
        with pytest.raises(ValidationError, match="No folder on the server may be read"):
            sources.check_connection(at(path))
    assert sources.check_connection(at(settings.GUIDE_DIR))


@pytest.fixture
def draft(cast, wiki):  # noqa: F811
    entered = connecting.read_entered("wiki", config={}, auth="token", fields={"token": TOKEN})
    return connecting.save_draft(workspace=cast.workspace, by=cast.builder.user, kind="wiki", entered=entered)


def read(source, parent=""):
    """What the thread would do."""
    level = offering.ask(source, parent)
    offering.read_level(level)
    return Level.objects.get(pk=level.pk)


def ticks(source, inside, outside=(), **lines):
    entry = {"data_source": str(source.pk), "parents_in": inside, "parents_not_in": list(outside), "lines": lines}
    return json.dumps([entry])


def at(source, external_id):
    return str(node_id(source.pk, external_id))


# ---- The kinds -----------------------------------------------------------------------------------------------------


def test_every_kind_is_offered_with_its_words(as_):
    from datasources.connectors.registry import CONNECTORS

    shown = as_("builder").get(url("data_new")).content.decode()
    for about in CONNECTORS.values():
        assert f"?kind={about.kind}" in shown
    assert "data-find-kind" in shown


def test_the_form_of_every_kind_asks_for_what_its_connector_says(as_):
    client = as_("builder")
    for about in CONNECTORS.values():
        shown = client.get(url("data_new") + f"?kind={about.kind}").content.decode()
        assert about.address in shown
        assert about.address or not about.asks_address, about.kind
        for way in about.auths:
            told = " ".join(way.steps)
            assert way.oauth or ("shown here" not in told and "Atrium shows" not in told), about.kind
            for setting in way.fields:
                assert f'name="{way.name}-{setting.name}"' in shown, (about.kind, setting.name)
            for scope in way.scopes:
                assert scope in shown
        for setting in about.settings:
            assert f'name="s-{setting.name}"' in shown, (about.kind, setting.name)


def test_steps_lead_to_vendors_and_not_to_the_companies_of_examples(as_):
    shown = as_("builder").get(url("data_new") + "?kind=jira").content.decode()
    assert 'href="https://id.atlassian.com/manage-profile' in shown
    assert "https://acme.atlassian.net" in shown
    assert 'href="https://acme.' not in shown


@pytest.mark.parametrize("kind", ["confluence", "github", "google_drive", "jira", "notion"])
def test_steps_of_signing_in_name_the_buttons_that_are_there(kind):
    from datasources.connectors.registry import CONNECTORS

    about = CONNECTORS[kind]
    (steps,) = [" ".join(way.steps) for way in about.auths if way.oauth]
    assert f"ress Continue, then Go to {about.label} and allow it" in steps
    assert "ress Connect" not in steps


@pytest.mark.parametrize(("typed", "kind"), [("wiki", "confluence"), ("crm", "salesforce"), ("excel", "upload")])
def test_a_kind_is_found_by_what_people_call_it(as_, typed, kind):
    shown = as_("builder").get(url("data_new")).content.decode()
    words = shown.partition(f'href="?kind={kind}" data-words="')[2].partition('"')[0]
    assert typed in words


def test_an_unknown_kind_is_not_there(as_):
    assert as_("admin").get(url("data_new") + "?kind=telepathy").status_code == 404


def test_a_member_connects_nothing(as_, draft):
    client = as_("member")
    assert client.get(url("data_new")).status_code == 403
    for name in ("data_connect", "data_choose", "data_finish", "data_offered", "data_estimate", "data_sign_in"):
        assert client.get(url(name, draft.pk)).status_code == 403, name


def test_a_draft_is_nobody_elses(cast, as_, draft):
    other = factories.member(cast.workspace, "builder")
    client = as_("builder")
    client.force_login(other.user)
    for name in ("data_connect", "data_choose", "data_finish", "data_offered", "data_estimate", "data_source"):
        assert client.get(url(name, draft.pk)).status_code == 404, name
    assert client.get(reverse("data_choose", args=["umbra", draft.pk])).status_code == 404
    assert "Wiki" not in client.get(url("data")).content.decode()


# ---- A folder, the whole way ---------------------------------------------------------------------------------------


def test_a_folder_is_connected_chosen_and_started(cast, as_, folder_root):
    client = as_("builder")
    answer = client.post(url("data_new") + "?kind=folder", {"s-path": str(folder_root), "s-exclude": "*.tmp\nx/**"})
    source = DataSource.objects.get()
    assert source.state == "draft"
    assert source.config == {"path": str(folder_root), "exclude": ["*.tmp", "x/**"]}
    assert source.name == "docs"
    assert answer["Location"] == url("data_choose", source.pk)
    assert not source.runs.exists()
    assert client.get(url("data_choose", source.pk)).status_code == 200
    read(source)
    level = client.get(url("data_offered", source.pk)).content.decode()
    assert "leave" in level
    assert "a.md" in level
    answer = client.post(url("data_choose", source.pk), {"choice": ticks(source, [at(source, "leave")])})
    assert answer["Location"] == url("data_finish", source.pk)
    line = Selection.objects.get()
    assert (str(line.node), line.external_id, line.include) == (at(source, "leave"), "leave", True)
    estimate = client.get(url("data_estimate", source.pk)).content.decode()
    assert "on this machine" in estimate
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    answer = client.post(url("data_finish", source.pk), {"name": "Docs", "spaces": [company.pk], "schedule": "daily"})
    assert answer["Location"] == url("data_source", source.pk)
    source.refresh_from_db()
    assert (source.state, source.name, source.schedule) == ("new", "Docs", "daily")
    assert source.runs.get().trigger == "first"
    assert source.grants.get().space == company


def test_a_folder_that_may_not_be_read_is_told_and_begins_nothing(as_, folder_root):
    client = as_("builder")
    answer = client.post(url("data_new") + "?kind=folder", {"s-path": "/etc"})
    assert answer.status_code == 422
    assert "outside the folders" in answer.content.decode()
    assert not DataSource.objects.exists()
    test = client.post(url("data_test", "folder"), {"s-path": "/etc"}).content.decode()
    assert 'data-tone="bad"' in test
    test = client.post(url("data_test", "folder"), {"s-path": str(folder_root)}).content.decode()
    assert 'data-tone="ok"' in test
    assert "Enter this: Folder" in client.post(url("data_new") + "?kind=folder", {}).content.decode()


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        ("website", "https://docs.acme.example/handbook/", "https://docs.acme.example/handbook/"),
        ("website", "https://docs.acme.example/", "https://docs.acme.example"),
        ("jira", "https://jira.acme.example/tracker/", "https://jira.acme.example/tracker"),
    ],
)
def test_a_slash_at_the_end_counts_where_the_address_is_that_of_a_page(kind, typed, kept):
    key = {"auth": "token", "token-email": "a@b.example", "token-token": "t0ken-0123"} if kind == "jira" else {}
    form = ConnectionForm(CONNECTORS[kind], {"base_url": typed, "s-scope": "below", "s-sitemap": "also", **key})
    assert form.is_valid()
    assert form.entered.config["base_url"] == kept


def test_uploads_take_one_step(cast, as_):
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    client = as_("builder")
    assert "Who may see it" in client.get(url("data_new") + "?kind=upload").content.decode()
    client.post(url("data_new") + "?kind=upload", {"name": "Papers", "spaces": [company.pk]})
    source = DataSource.objects.get()
    assert (source.name, source.state) == ("Papers", "new")
    assert not source.runs.exists()
    # What the browser says once files are in: the list is looked at anew, and again while they are read.
    assert "files-in from:body" in client.get(url("data_source", source.pk)).content.decode()


def test_a_builder_gives_data_only_to_spaces_of_theirs(cast, as_):
    vault = factories.space(cast.workspace, cast.admin, name="Vault")
    client = as_("builder")
    assert "Vault" not in client.get(url("data_new") + "?kind=upload").content.decode()
    answer = client.post(url("data_new") + "?kind=upload", {"name": "X", "spaces": [vault.pk]})
    assert answer.status_code == 422
    assert not DataSource.objects.filter(state="new").exists()


def test_an_export_is_handed_over_before_one_chooses(as_):
    client = as_("builder")
    client.post(url("data_new") + "?kind=notion_export", {"auth": "none"})
    source = DataSource.objects.get()
    assert client.get(url("data_resume", source.pk))["Location"] == url("data_files", source.pk)
    assert "drop" in client.get(url("data_files", source.pk)).content.decode()
    client.post(
        url("data_source_upload", source.pk), {"file": SimpleUploadedFile("export.zip", b"PK\x05\x06" + bytes(18))}
    )
    assert not source.runs.exists()
    assert "export.zip" in client.get(url("data_files", source.pk)).content.decode()


def test_an_export_that_was_handed_over_can_be_taken_out_again(as_):
    client = as_("builder")
    client.post(url("data_new") + "?kind=notion_export", {"auth": "none"})
    source = DataSource.objects.get()
    for name in ("export.zip", "wrong.zip"):
        client.post(url("data_source_upload", source.pk), {"file": SimpleUploadedFile(name, b"PK\x05\x06" + bytes(18))})
    out = url("data_source_upload_remove", source.pk)
    assert f"{out}?path=wrong.zip" in client.get(url("data_files", source.pk)).content.decode()
    asked = client.get(out, {"path": "wrong.zip"}).content.decode()
    assert "alone can no longer be found" in asked
    assert client.post(out, {"path": "wrong.zip"})["Location"] == url("data_files", source.pk)
    DataSource.objects.update(state=DataSource.State.OK)
    there = client.get(url("data_source", source.pk)).content.decode()
    assert "1 file handed over" in there
    # There is no key to it, and so none to take for another export.
    assert "Connect anew" not in client.get(url("data_source_settings", source.pk)).content.decode()
    assert "Connect with" not in client.get(url("data_new") + "?kind=notion_export").content.decode()
    assert f"{out}?path=export.zip" in there
    assert client.post(out, {"path": "export.zip"})["Location"] == url("data_source", source.pk)


# ---- Keys ----------------------------------------------------------------------------------------------------------


def test_a_key_is_tested_kept_encrypted_and_never_shown(cast, as_, wiki):  # noqa: F811
    client = as_("builder")
    wrong = client.post(url("data_new") + "?kind=wiki", {"auth": "token", "token-token": "wrong-token-1234"})
    assert wrong.status_code == 422
    assert "refuses the token" in wrong.content.decode()
    assert "wrong-token-1234" not in wrong.content.decode()
    assert not Credential.objects.exists()
    client.post(url("data_new") + "?kind=wiki", {"auth": "token", "token-token": TOKEN, "s-drafts": "on"})
    source = DataSource.objects.get()
    assert source.config == {"drafts": True}
    credential = source.credential
    assert (credential.kind, credential.base_url, credential.key_hint) == ("wiki", "", TOKEN[-4:])
    assert TOKEN.encode() not in bytes(credential.secret_encrypted)
    assert secret_of(credential) == {"auth": "token", "token": TOKEN}
    assert TOKEN not in client.get(url("data_connect", source.pk)).content.decode()
    told = AuditEvent.objects.get(action="credential.create")
    assert TOKEN not in json.dumps(told.after)


def test_the_key_that_is_kept_need_not_be_entered_again(as_, draft):
    client = as_("builder")
    client.post(url("data_connect", draft.pk), {"auth": "token", "s-languages": "de\nen"})
    draft.refresh_from_db()
    assert draft.config == {"languages": ["de", "en"]}
    assert secret_of(draft.credential)["token"] == TOKEN


def test_another_address_needs_the_key_again(as_, draft, settings):
    settings.PRIVATE_HOSTS = ["127.0.0.0/8"]
    client = as_("builder")
    answer = client.post(url("data_connect", draft.pk), {"auth": "token", "base_url": "http://127.0.0.1:1"})
    assert answer.status_code == 422
    assert (
        "Enter this again: Token. The one that is stored holds only for the address before." in answer.content.decode()
    )
    draft.refresh_from_db()
    assert draft.config == {}
    client.post(
        url("data_connect", draft.pk), {"auth": "token", "base_url": "http://127.0.0.1:1/", "token-token": TOKEN}
    )
    draft.refresh_from_db()
    assert draft.config["base_url"] == draft.credential.base_url == "http://127.0.0.1:1"


def test_a_source_is_not_pointed_elsewhere_with_its_key(cast, draft):
    DataSource.objects.update(state="ok")
    draft.refresh_from_db()
    with pytest.raises(ValidationError, match="enter the key again"):
        sources.update_source(draft, by=cast.admin.user, config={"base_url": "https://evil.example"})


def test_a_private_address_needs_the_operator(as_, wiki, settings):  # noqa: F811
    settings.PRIVATE_HOSTS = []
    answer = as_("builder").post(
        url("data_new") + "?kind=wiki", {"auth": "token", "token-token": TOKEN, "base_url": "http://10.0.0.7"}
    )
    assert answer.status_code == 422
    assert "ATRIUM_PRIVATE_HOSTS" in answer.content.decode()


def test_a_key_serves_more_sources_of_whoever_entered_it(cast, as_, draft):
    client = as_("builder")
    shown = client.get(url("data_new") + "?kind=wiki").content.decode()
    assert str(draft.credential_id) in shown
    client.post(url("data_new") + "?kind=wiki", {"auth": "token", "credential": str(draft.credential_id)})
    assert DataSource.objects.filter(credential=draft.credential).count() == 2
    other = factories.member(cast.workspace, "builder")
    client.force_login(other.user)
    assert str(draft.credential_id) not in client.get(url("data_new") + "?kind=wiki").content.decode()
    answer = client.post(url("data_new") + "?kind=wiki", {"auth": "token", "credential": str(draft.credential_id)})
    assert answer.status_code == 422


def test_the_admin_names_the_kind_and_does_not_enter_its_secret(cast, as_, draft):
    from portal import credentials

    client = as_("admin")
    page_ = client.get(f"/w/acme/govern/portal/credential/{draft.credential_id}/change/").content.decode()
    assert "Wiki" in page_
    assert "with its source" in page_
    assert 'name="api_key"' not in page_
    with pytest.raises(ValidationError, match="with its source"):
        credentials.update_credential(draft.credential, by=cast.admin.user, api_key="x")
    assert credentials.check_credential(draft.credential, by=cast.admin.user).check_ok is True
    Wiki.break_with = ConnectorError("Revoked", permanent=True)
    assert credentials.check_credential(draft.credential, by=cast.admin.user).check_message == "Revoked"
    with pytest.raises(ValidationError, match="Data sources use this key"):
        credentials.remove_credential(draft.credential, by=cast.admin.user)


@pytest.fixture
def depths(wiki, monkeypatch):  # noqa: F811
    """How many transactions are open each time that the place is asked, beside those of the test."""
    found, outside, asked = [], len(connection.atomic_blocks), wiki._ask

    def ask(self, what):
        found.append(len(connection.atomic_blocks) - outside)
        asked(self, what)

    monkeypatch.setattr(wiki, "_ask", ask)
    return found


def asks(source):
    """A choice for which the place has to be asked."""
    list(sources.connector_for(source).children("hr"))
    return [Chosen("hr")]


@pytest.mark.parametrize("way", [connecting.begin, connecting.connect])
def test_a_place_is_asked_while_no_transaction_is_open(cast, depths, way):
    entered = connecting.read_entered("wiki", config={}, auth="token", fields={"token": TOKEN})
    made = {"workspace": cast.workspace, "by": cast.builder.user, "kind": "wiki", "name": "Wiki", "entered": entered}
    source = way(**made, choose=asks)
    assert depths == [0, 0], "tested, and asked for what was chosen"
    assert source.selections.get().node == node_id(source.pk, "hr")
    assert secret_of(DataSource.objects.get().credential)["token"] == TOKEN


def test_connecting_at_once_keeps_all_or_nothing(cast, wiki):  # noqa: F811
    entered = connecting.read_entered("wiki", config={}, auth="token", fields={"token": TOKEN})
    made = {"workspace": cast.workspace, "by": cast.builder.user, "kind": "wiki", "name": "Wiki", "entered": entered}
    nowhere = {Space.objects.get(workspace=cast.workspace, name="Company").pk: [node_id(cast.workspace.pk, "other")]}
    with pytest.raises(ValidationError, match="is not in .*, or no longer"):
        connecting.connect(**made, share=lambda source: (nowhere, ()))
    with pytest.raises(ValidationError, match="at least one space"):
        connecting.connect(**made, spaces=[])
    assert not DataSource.objects.exists()
    assert not Credential.objects.exists()


# ---- Drafts --------------------------------------------------------------------------------------------------------


def test_a_draft_is_listed_resumed_and_never_synced(cast, as_, draft):
    client = as_("builder")
    listed = client.get(url("data")).content.decode()
    assert "Not finished" in listed
    assert client.get(url("data_source", draft.pk))["Location"] == url("data_resume", draft.pk)
    assert client.get(url("data_resume", draft.pk))["Location"] == url("data_choose", draft.pk)
    with pytest.raises(ValidationError, match="not finished"):
        sources.request_sync(draft, by=cast.builder.user)
    assert not draft.runs.exists()


def test_a_draft_is_forgotten_with_its_key_unless_another_source_uses_it(cast, as_, draft):
    kept = factories.source(cast.workspace, kind="wiki", credential=draft.credential)
    second = DataSource.objects.create(
        workspace=cast.workspace, kind="wiki", name="W", state="draft", credential=draft.credential
    )
    client = as_("admin")
    client.post(url("data_forget", draft.pk))
    assert Credential.objects.exists()
    kept.delete()
    client.post(url("data_forget", second.pk))
    assert not Credential.objects.exists()
    live = factories.source(cast.workspace)
    assert client.post(url("data_forget", live.pk)).status_code == 404


def test_old_drafts_are_forgotten(draft):
    assert connecting.forget_old_drafts() == 0
    DataSource.objects.update(created=timezone.now() - timedelta(days=31))
    assert connecting.forget_old_drafts() == 1
    assert not DataSource.objects.exists()
    assert not Credential.objects.exists()


def test_a_source_that_needs_attention_is_connected_anew(cast, as_, draft):
    DataSource.objects.update(state="needs_attention", state_detail="The token was revoked")
    client = as_("admin")
    assert "Connect anew" in client.get(url("data")).content.decode()
    shown = client.get(url("data_source", draft.pk)).content.decode()
    assert url("data_connect", draft.pk) in shown
    client.post(url("data_connect", draft.pk), {"auth": "token", "token-token": TOKEN})
    draft.refresh_from_db()
    assert draft.state == "new"
    assert draft.runs.get().state == "queued"


def test_another_key_asks_anew_what_there_is_to_choose_from(as_, draft, monkeypatch):
    Wiki.break_with = ConnectorError("The token was revoked")
    assert read(draft).state == "failed"
    Wiki.break_with = None
    client = as_("builder")
    client.post(url("data_connect", draft.pk), {"auth": "token", "token-token": TOKEN})
    assert read(draft).state == "read"
    assert client.post(url("data_connect", draft.pk), {"auth": "token"}).status_code == 302
    assert draft.levels.get().read, "the same key sees the same"
    del Wiki.pages[None][0]
    monkeypatch.setattr("tests.datasources.places.TOKEN", "another-token")
    client.post(url("data_connect", draft.pk), {"auth": "token", "token-token": "another-token"})
    shown = client.get(url("data_offered", draft.pk)).content.decode()
    assert "Machines" in shown, "what is known stands there meanwhile"
    assert draft.levels.get().state == "reading"


# ---- What a place offers -------------------------------------------------------------------------------------------


def test_a_level_is_shown_while_the_rest_is_still_coming(as_, draft):
    Wiki.pages = {None: [page(f"p{n:05}") for n in range(1000)]}
    seen = []

    def look(number):
        if number == 450:
            listed = offering.listed(draft)
            seen.append((listed.level.state, listed.total, len(listed.rows)))

    Wiki.on_page = staticmethod(look)
    level = read(draft)
    assert seen == [("reading", 400, 200)]
    assert (level.state, level.items.count()) == ("read", 1000)


def test_ten_thousand_at_a_level_come_in_pages_and_in_as_many_queries(as_, draft, django_assert_max_num_queries):
    Wiki.pages = {None: [page(f"p{n:05}") for n in range(10_000)]}
    client = as_("builder")
    client.get(url("data_offered", draft.pk))
    offering.read_level(draft.levels.get())
    with django_assert_max_num_queries(19):
        first = client.get(url("data_offered", draft.pk)).content.decode()
    assert first.count("data-node=") == 200
    assert "10\u202f000" in first
    with django_assert_max_num_queries(19):
        later = client.get(url("data_offered", draft.pk) + "?first=9800").content.decode()
    assert later.count("data-node=") == 200
    assert "data-tree-more" not in later
    with django_assert_max_num_queries(19):
        found = client.get(url("data_offered", draft.pk) + "?q=p0777").content.decode()
    assert found.count("data-node=") == 10


def test_what_is_gone_there_goes_from_the_level_and_failures_are_told(as_, draft):
    read(draft)
    client = as_("builder")
    del Wiki.pages[None][0]
    offering.read_level(offering.ask(draft, anew=True))
    assert set(draft.levels.get(parent="").items.values_list("external_id", flat=True)) == {"it", "home"}
    Wiki.break_with = ConnectorError("The wiki asks to slow down")
    offering.read_level(offering.ask(draft, anew=True))
    shown = client.get(url("data_offered", draft.pk)).content.decode()
    assert "asks to slow down" in shown
    assert "Try again" in shown
    assert "Machines" in shown
    assert draft.levels.get(parent="").state == "failed"
    Wiki.break_with = RuntimeError("boom")
    level = offering.ask(draft, anew=True)
    offering.read_level(level)
    assert "RuntimeError" in Level.objects.get(pk=level.pk).error


def test_a_level_that_nobody_reads_any_more_is_begun_anew(draft, django_capture_on_commit_callbacks, monkeypatch):
    begun = []
    monkeypatch.setattr(offering, "start", begun.append)
    with django_capture_on_commit_callbacks(execute=True):
        offering.ask(draft)
        offering.ask(draft)
    assert len(begun) == 1
    Level.objects.update(begun=timezone.now() - timedelta(minutes=5))
    with django_capture_on_commit_callbacks(execute=True):
        offering.ask(draft)
    assert len(begun) == 2
    Level.objects.update(state="read", read=timezone.now() - timedelta(days=2))
    with django_capture_on_commit_callbacks(execute=True):
        assert offering.ask(draft).state == "reading"
    assert len(begun) == 3


def test_search_finds_what_is_known_and_what_only_the_place_finds(as_, draft):
    read(draft)
    client = as_("builder")
    shown = client.get(url("data_offered", draft.pk) + "?q=leave").content.decode()
    assert "data-tree-there" in shown
    assert at(draft, "hr/leave") not in shown
    there = client.get(url("data_offered", draft.pk) + "?q=leave&there=1").content.decode()
    assert at(draft, "hr/leave") in there
    # The way there is kept, and it can be ticked.
    assert f'data-chain="{at(draft, "hr/leave")} {at(draft, "hr")}"' in there
    client.post(url("data_choose", draft.pk), {"choice": ticks(draft, [at(draft, "hr/leave")])})
    assert draft.selections.get().external_id == "hr/leave"
    assert draft.levels.get(parent="hr").read is None
    read(draft, "hr")
    read(draft, "it")
    assert offering.is_all_known(draft)
    assert "data-tree-there" not in client.get(url("data_offered", draft.pk) + "?q=leave").content.decode()


# ---- Choosing ------------------------------------------------------------------------------------------------------


def test_ticks_become_lines_with_what_is_left_out_and_options(as_, draft):
    read(draft)
    read(draft, "hr")
    client = as_("builder")
    choice = ticks(
        draft,
        [at(draft, "hr")],
        [at(draft, "hr/pay")],
        **{at(draft, "hr"): {"future": False, "options": {"since": "2026-01-31", "globs": "a*\nb*", "depth": "3"}}},
    )
    client.post(url("data_choose", draft.pk), {"choice": choice})
    inside, outside = draft.selections.order_by("external_id")
    assert (inside.external_id, inside.include, inside.future) == ("hr", True, False)
    chosen_at = inside.options.pop("chosen_at")
    assert inside.options == {"since": "2026-01-31", "globs": ["a*", "b*"], "depth": 3}
    assert (outside.external_id, outside.include) == ("hr/pay", False)
    shown = client.get(url("data_choose", draft.pk)).content.decode()
    assert "2026-01-31" in shown
    assert chosen_at not in shown
    client.post(url("data_choose", draft.pk), {"choice": choice})
    assert draft.selections.get(external_id="hr").options["chosen_at"] == chosen_at


@pytest.mark.parametrize("choice", ["", "[]", "nonsense", "{}", "null", '[{"data_source": 1}]'])
def test_nothing_ticked_or_nonsense_is_told(as_, draft, choice):
    answer = as_("builder").post(url("data_choose", draft.pk), {"choice": choice})
    assert answer.status_code == 422
    assert not draft.selections.exists()


def test_unknown_nodes_and_bad_options_are_refused_in_words(as_, draft):
    read(draft)
    client = as_("builder")
    answer = client.post(url("data_choose", draft.pk), {"choice": ticks(draft, [at(draft, "elsewhere")])})
    assert "no longer there" in answer.content.decode()
    choice = ticks(draft, None, **{"": {"future": True, "options": {"since": "soon"}}})
    answer = client.post(url("data_choose", draft.pk), {"choice": choice})
    assert answer.status_code == 422
    assert "Pages from" in answer.content.decode()


def test_without_scripts_the_top_level_is_ticked_with_plain_boxes(as_, draft):
    read(draft)
    client = as_("builder")
    assert f'name="tick" value="{at(draft, "hr")}"' in client.get(url("data_choose", draft.pk)).content.decode()
    client.post(url("data_choose", draft.pk), {"plain": "some", "tick": [at(draft, "hr")]})
    assert draft.selections.get().external_id == "hr"
    client.post(url("data_choose", draft.pk), {"plain": "all"})
    assert draft.selections.get().node is None


def test_a_choice_that_changes_takes_out_and_brings_in_only_the_difference(cast, as_, draft):
    DataSource.objects.update(state="ok", last_synced=timezone.now())
    draft.refresh_from_db()
    for space, names in (("hr", ("leave", "pay")), ("it", ("vpn",))):
        above = factories.node(draft, space)
        for name in names:
            factories.node(draft, f"{space}/{name}", parent=above, text="Text.")
    factories.node(draft, "home", text="Text.")
    client = as_("admin")
    client.post(url("data_choose", draft.pk), {"choice": ticks(draft, [at(draft, "hr")], [at(draft, "hr/pay")])})
    gone = set(Node.objects.filter(gone="agreed").values_list("external_id", flat=True))
    assert gone == {"hr/pay", "it", "it/vpn", "home"}
    run = draft.runs.get()
    assert (run.trigger, run.full) == ("full", True)
    client.post(url("data_choose", draft.pk), {"choice": ticks(draft, [at(draft, "hr")], [at(draft, "hr/pay")])})
    assert draft.runs.count() == 1


def test_the_estimate_is_in_words_and_a_failure_too(cast, as_, draft, monkeypatch):
    client = as_("builder")
    shown = client.get(url("data_estimate", draft.pk)).content.decode()
    assert "~120" in shown
    assert "~600" in shown
    assert "about 40 s, with the model on this machine" in shown
    with monkeypatch.context() as patched:
        patched.setattr(Wiki, "estimate", lambda self, chosen: Estimate(3, 400_000, exact=False, text=4000))
        assert '<div class="figure">~5</div>' in client.get(url("data_estimate", draft.pk)).content.decode()
        patched.setattr(Wiki, "estimate", lambda self, chosen: Estimate(0, exact=False, untold="It has to be joined."))
        shown = client.get(url("data_estimate", draft.pk)).content.decode()
        assert "told yet" in shown
        assert "It has to be joined." in shown
        assert "nothing to bring in" not in shown
    Wiki.break_with = ConnectorError("The wiki has a fault of its own just now")
    shown = client.get(url("data_estimate", draft.pk)).content.decode()
    assert "fault of its own" in shown
    assert "Ask again" in shown


def test_mirroring_is_asked_for_where_the_place_can(cast, as_, draft):
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    client = as_("builder")
    assert "Only for those who may read it there" in client.get(url("data_finish", draft.pk)).content.decode()
    client.post(
        url("data_finish", draft.pk), {"name": "W", "spaces": [company.pk], "schedule": "hourly", "mirror": "on"}
    )
    draft.refresh_from_db()
    assert draft.mirror
    assert client.get(url("data_finish", draft.pk)).status_code == 404


# ---- Who sees which part, from the first minute ------------------------------------------------------------------


def finishing(spaces, **parts):
    """The form of the last step; ``parts``: by the number of the space in ``spaces``, what of it alone."""
    form = {"name": "W", "spaces": [space.pk for space in spaces], "schedule": "daily"}
    for number, space in enumerate(spaces):
        part = parts.get(f"of_{number}")
        form[f"sees-{space.pk}"] = "all" if part is None else "part"
        form[f"part-{space.pk}"] = part or []
    return form


def test_one_connection_is_given_in_parts_before_anything_came_in(cast, as_, draft):
    read(draft)
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    leads = factories.space(cast.workspace, cast.builder, name="Leadership")
    client = as_("builder")
    client.post(url("data_choose", draft.pk), {"choice": ticks(draft, [at(draft, "hr"), at(draft, "it")])})
    shown = client.get(url("data_finish", draft.pk)).content.decode()
    assert f'name="part-{company.pk}" value="{at(draft, "hr")}"' in shown
    assert "Only these, and what is below them" in shown
    form = finishing([company, leads], of_0=[at(draft, "hr")], of_1=[at(draft, "hr"), at(draft, "it")])
    client.post(url("data_finish", draft.pk), form)
    grants = {grant.space: [str(key) for key in grant.parents_in] for grant in draft.grants.select_related("space")}
    assert {space: set(keys) for space, keys in grants.items()} == {
        company: {at(draft, "hr")},
        leads: {at(draft, "hr"), at(draft, "it")},
    }
    for name in ("hr", "it"):
        factories.node(draft, f"{name}/page", parent=factories.node(draft, name), text="Text.")
    readable = Node.objects.readable_by(cast.member).values_list("external_id", flat=True)
    assert set(readable) == {"hr", "hr/page"}
    assert Node.objects.readable_by(cast.builder).count() == 4


def test_a_part_that_is_none_or_was_not_offered_is_refused(cast, as_, draft):
    read(draft)
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    client = as_("builder")
    client.post(url("data_choose", draft.pk), {"choice": ticks(draft, [at(draft, "hr"), at(draft, "it")])})
    for part in ([], [at(draft, "home")], ["nonsense"]):
        answer = client.post(url("data_finish", draft.pk), finishing([company], of_0=part))
        assert answer.status_code == 422
        assert "Tick what Company may see" in answer.content.decode()
    draft.refresh_from_db()
    assert (draft.state, draft.grants.count()) == ("draft", 0)


def test_of_everything_the_top_level_is_offered_in_parts_and_of_one_thing_nothing(as_, draft):
    read(draft)
    client = as_("builder")
    client.post(url("data_choose", draft.pk), {"choice": ticks(draft, None, [at(draft, "it")])})
    shown = client.get(url("data_finish", draft.pk)).content.decode()
    assert f'value="{at(draft, "hr")}"' in shown
    assert f'value="{at(draft, "it")}"' not in shown
    client.post(url("data_choose", draft.pk), {"choice": ticks(draft, [at(draft, "hr")])})
    assert "Only these" not in client.get(url("data_finish", draft.pk)).content.decode()
