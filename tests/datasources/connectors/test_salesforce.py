"""Salesforce: objects as tables, records as documents, and what its users may not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from datasources.connectors.around import Around
from datasources.connectors.base import Chosen, Complete, ConnectorError, Delete, NodeError, Skipped, Upsert
from datasources.connectors.salesforce import access
from datasources.connectors.salesforce.connector import Salesforce
from datasources.ingestion.extract import Extractor
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.salesforce import PASSWORD, SECURITY_TOKEN, TOKEN, USER, SalesforceServer, filled

PASSWORD_SECRET = {"auth": "password", "username": USER, "password": PASSWORD, "security_token": SECURITY_TOKEN}


class Tokens:
    """As the portal keeps them: the first one may have expired, and is renewed when asked."""

    def __init__(self, first: str = TOKEN) -> None:
        self.have, self.renewed = first, 0

    def access(self, *, renew: bool = False) -> str:
        if renew:
            self.have, self.renewed = TOKEN, self.renewed + 1
        return self.have


class Place(VendorPlace):
    branches = ("object:Account", "object:Case")

    def __init__(self, server: SalesforceServer) -> None:
        self.server: SalesforceServer = server
        self.words: dict[str, str] = {}

    def connector(
        self, secret: dict[str, str] | None = None, tokens: Tokens | None = None, **config: Any
    ) -> Salesforce:
        around = Around(Extractor(workers=1), tokens=tokens or Tokens())
        return Salesforce({"base_url": self.server.base_url, **config}, secret or {"auth": "oauth"}, around)

    def documents(self) -> dict[str, str]:
        found = {f"object:{name}": "one row each" for name in ("Account", "Opportunity", "Case", "Knowledge__kav")}
        for name in ("Account", "Opportunity", "Case"):
            for key, record in self.server.records[name].items():
                found[f"record:{name}:{key}"] = record.get("Name") or record["Subject"]
        for record in self.server.records["Knowledge__kav"].values():
            if record["PublishStatus"] == "Online":
                found[f"record:Knowledge__kav:{record['KnowledgeArticleId']}:{record['Language']}"] = record["Title"]
        return found | {key: word for key, word in self.words.items() if key in found}

    def edit(self) -> str:
        self.server.put("Account", "0010007", Description="They buy gear-boxes.")
        self.words["record:Account:0010007"] = "gear-boxes"
        return "record:Account:0010007"

    def along(self, external_id: str) -> set[str]:
        return {"object:Account"}

    def add(self) -> str:
        self.server.put("Account", "0019999", Name="Brand new Ltd")
        return "record:Account:0019999"

    def delete(self) -> str:
        self.server.remove("Account", "0010007")
        return "record:Account:0010007"

    def branch_of(self, external_id: str) -> str:
        return "object:" + external_id.split(":")[1]


@pytest.fixture
def place() -> Iterator[Place]:
    with filled() as server:
        yield Place(server)


class TestSalesforce(VendorContract):
    pass


def test_a_record_is_a_document_with_its_fields(place: Place) -> None:
    connector = place.connector()
    node = Seen().run(connector).nodes["record:Opportunity:006A"]
    text = str(connector.fetch(node).markdown)
    assert text.startswith("# New turbine\n")
    assert "- **Stage**: Negotiation" in text
    assert "- **Amount**: 250000" in text
    assert "- **Account**: Customer7 Ltd" in text
    assert "- **Owner**: Bo Lind" in text
    assert re.search(r"- \*\*Created Date\*\*: \d{4}-\d\d-\d\d \d\d:\d\d UTC\n", text)
    assert (node.author, node.tags) == ("Ann Kaur", ("Opportunity", "Negotiation"))
    assert node.url == f"{place.server.base_url}/lightning/r/Opportunity/006A/view"


def test_a_case_has_its_long_fields_and_comments(place: Place) -> None:
    connector = place.connector()
    node = Seen().run(connector).nodes["record:Case:500A"]
    text = str(connector.fetch(node).markdown)
    assert (node.title, node.kind) == ("00001001 Turbine is loud", "ticket")
    assert "## Description\n\nIt hums at night.\nEvery night." in text
    assert "## Comments\n\n**Ann Kaur**, " in text
    assert "A technician comes on Monday." in text


def test_a_new_comment_changes_the_cases_version(place: Place) -> None:
    seen = Seen().run(place.connector())
    before = seen.versions()
    place.server.put("CaseComment", "00aB", ParentId="500B", CommentBody="Paid back.")
    connector = place.connector()
    after = seen.run(connector).versions()
    assert {key for key in after if after[key] != before[key]} == {"record:Case:500B"}
    assert "Paid back." in str(connector.fetch(seen.nodes["record:Case:500B"]).markdown)


def test_an_object_is_a_table_with_typed_rows(place: Place) -> None:
    connector = place.connector()
    node = Seen().run(connector).nodes["object:Opportunity"]
    content = connector.fetch(node)
    (table,) = content.tables
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["Name"] for row in rows] == ["New turbine", "Service contract"]
    assert rows[0]["Amount"] == 250000.0
    assert rows[0]["CloseDate"] == date(2026, 9, 30)
    assert rows[0]["Account"] == "Customer7 Ltd"
    assert isinstance(rows[0]["CreatedDate"], datetime)
    assert rows[1]["Description"] is None
    assert "Close Date (`CloseDate`, date)" in str(content.markdown)


def test_a_table_has_all_pages(place: Place) -> None:
    connector = place.connector()
    (table,) = connector.fetch(Seen().run(connector).nodes["object:Account"]).tables
    assert len(list(table.rows)) == 90


def test_knowledge_is_read_as_published_and_keeps_its_id_over_versions(place: Place) -> None:
    connector = place.connector()
    seen = Seen().run(connector)
    key = "record:Knowledge__kav:kA0A:en_US"
    text = str(connector.fetch(seen.nodes[key]).markdown)
    assert "Use **thick** oil." in text
    assert "x()" not in text
    place.server.records["Knowledge__kav"]["ka0A"]["PublishStatus"] = "Archived"
    place.server.put(
        "Knowledge__kav",
        "ka0C",
        KnowledgeArticleId="kA0A",
        Title="Silence a turbine",
        Summary="Grease it.",
        PublishStatus="Online",
        Language="en_US",
    )
    connector = place.connector()
    seen.run(connector)
    assert "Grease it." in str(connector.fetch(seen.nodes[key]).markdown)


def test_a_filter_narrows_records_table_and_estimate_alike(place: Place) -> None:
    chosen = [Chosen("object:Account", options={"soql": "WHERE Industry = 'Energy' AND AnnualRevenue > 80000"})]
    connector = place.connector()
    seen = Seen().run(connector, chosen)
    records = {f"record:Account:001{number:04}" for number in (82, 84, 86, 88)}
    assert seen.documents() == {"object:Account", *records}
    (table,) = connector.fetch(seen.nodes["object:Account"]).tables
    assert len(list(table.rows)) == 4
    assert connector.estimate(chosen).documents == 5


def test_a_record_that_drops_out_of_the_filter_goes(place: Place) -> None:
    chosen = [Chosen("object:Account", options={"soql": "Industry = 'Energy'"})]
    seen = Seen().run(place.connector(), chosen)
    place.server.put("Account", "0010002", Industry="Retail")
    seen.run(place.connector(), chosen)
    assert "record:Account:0010002" not in seen.documents()
    assert len(seen.documents()) == 45


@pytest.mark.parametrize(("name", "number"), [("Energy customers", 45), ("my_accounts", 0)])
def test_a_list_view_narrows(place: Place, name: str, number: int) -> None:
    chosen = [Chosen("object:Account", options={"list_view": name})]
    assert len(Seen().run(place.connector(), chosen).documents()) == number + 1


def test_a_list_view_that_is_not_there_names_those_that_are(place: Place) -> None:
    with pytest.raises(ConnectorError, match="Energy customers, My accounts") as caught:
        Seen().run(place.connector(), [Chosen("object:Account", options={"list_view": "Nobody's"})])
    assert caught.value.permanent


def test_list_views_of_an_object_are_offered_and_checked(place: Place) -> None:
    connector = place.connector()
    assert connector.choices("object:Account") == {"list_view": ["Energy customers", "My accounts"]}
    assert connector.choices("object:Case") == {"list_view": []}
    assert connector.choices("object:Nothing__c") == connector.choices(None) == {}
    connector.check("object:Account", {"list_view": "energy customers", "soql": "Industry = 'Energy'"})
    with pytest.raises(ConnectorError, match="Energy customers, My accounts"):
        connector.check("object:Account", {"list_view": "Nobody's"})
    with pytest.raises(ConnectorError, match="has to be a condition"):
        connector.check("object:Account", {"soql": "Name = 'x' LIMIT 1"})


@pytest.mark.parametrize("soql", ["Name = 'x' LIMIT 1", "Name = 'x') OR (Id != null", "Name = 'x' ORDER BY Name"])
def test_a_filter_is_a_condition_and_no_more(place: Place, soql: str) -> None:
    with pytest.raises(ConnectorError, match="has to be a condition"):
        Seen().run(place.connector(), [Chosen("object:Account", options={"soql": soql})])


def test_words_in_quotes_are_no_clauses(place: Place) -> None:
    chosen = [Chosen("object:Account", options={"soql": "Name = 'limit (of order by'"})]
    assert Seen().run(place.connector(), chosen).documents() == {"object:Account"}


def test_a_field_that_the_user_may_not_see_is_named(place: Place) -> None:
    place.server.hidden_fields.add(("Opportunity", "Amount"))
    connector = place.connector()
    assert "Opportunity.Amount" in connector.test().message
    seen = Seen().run(connector)
    assert "may not see: Amount" in str(connector.fetch(seen.nodes["object:Opportunity"]).markdown)
    with pytest.raises(ConnectorError, match="field Amount of Opportunity") as caught:
        Seen().run(place.connector(), [Chosen("object:Opportunity", options={"soql": "Amount > 5"})])
    assert caught.value.permanent


def test_a_field_that_becomes_visible_reads_the_records_anew(place: Place) -> None:
    place.server.hidden_fields.add(("Opportunity", "Amount"))
    before = Seen().run(place.connector()).versions()
    place.server.hidden_fields.clear()
    after = Seen().run(place.connector()).versions()
    assert {key for key in after if before[key] != after[key]} == {
        "object:Opportunity",
        "record:Opportunity:006A",
        "record:Opportunity:006B",
    }


def test_an_object_that_the_user_may_not_see_is_skipped_and_prunes_nothing_of_it(place: Place) -> None:
    place.server.hidden_objects.add("Case")
    changes = list(place.connector(objects="Account\nCase").changes({}, ALL))
    (skipped,) = [c for c in changes if isinstance(c, Skipped)]
    assert skipped.node.external_id == "object:Case"
    assert [c.scope for c in changes if isinstance(c, Complete)] == ["object:Account"]
    assert "may not see: Case" in place.connector(objects=["Account", "Case"]).test().message


def test_what_the_organisation_does_not_have_is_not_missed(place: Place) -> None:
    place.server.hidden_objects.add("Knowledge__kav")
    changes = list(place.connector().changes({}, ALL))
    assert not [c for c in changes if isinstance(c, Skipped)]
    assert changes[-1] == Complete(None)


@pytest.mark.parametrize(
    ("limit", "wait"), [("TotalRequests", 3600), ("ConcurrentRequests (Concurrent API Requests)", 60)]
)
def test_limits_are_told_apart(place: Place, limit: str, wait: float) -> None:
    place.server.limit = limit
    with pytest.raises(ConnectorError, match="API limit") as caught:
        place.connector().test()
    assert not caught.value.permanent
    assert caught.value.retry_after == wait


def test_an_expired_token_is_renewed_once(place: Place) -> None:
    tokens = Tokens("expired")
    assert place.connector(tokens=tokens).test().ok
    assert tokens.renewed == 1


def test_user_password_and_security_token_log_in(place: Place) -> None:
    assert place.connector(PASSWORD_SECRET).test().ok
    with pytest.raises(ConnectorError, match="refuses the login") as caught:
        place.connector({**PASSWORD_SECRET, "password": "wrong"}).test()
    assert caught.value.permanent


def test_an_app_with_a_key_logs_in(place: Place) -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    secret = {"auth": "jwt", "client_id": "3MVG9loop", "username": USER, "private_key": key.decode()}
    assert place.connector(secret).test().ok
    with pytest.raises(ConnectorError, match="private key") as caught:
        place.connector({**secret, "private_key": "no key"}).test()
    assert caught.value.permanent


def test_without_an_address_the_instance_is_asked_for_and_the_token_goes_to_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_LOGIN_HOSTS", {"127.0.0.1"})
    with pytest.raises(ConnectorError, match="My Domain"):
        place.connector().test()
    assert {path for _, path in place.server.requests} == {"/services/oauth2/userinfo"}
    assert access._checked("https://acme.my.salesforce.com/x") == "https://acme.my.salesforce.com"


def test_single_records_can_be_chosen_and_left_out(place: Place) -> None:
    connector = place.connector()
    one = [Chosen("record:Account:0010001")]
    seen = Seen().run(connector, one)
    assert seen.documents() == {"record:Account:0010001"}
    most = [Chosen("object:Case"), Chosen("record:Case:500A", include=False)]
    seen = Seen().run(connector, most)
    assert seen.documents() == {"object:Case", "record:Case:500B"}
    (table,) = connector.fetch(seen.nodes["object:Case"]).tables
    assert len(list(table.rows)) == 1


def test_unchosen_objects_are_not_asked_for(place: Place) -> None:
    Seen().run(place.connector(), [Chosen("object:Case")])
    assert not [path for _, path in place.server.requests if "/Account/" in path]
    assert not [soql for soql in place.server.asked if "FROM Account" in soql]


def test_what_is_added_later_stays_out_where_the_line_says_so(place: Place) -> None:
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    chosen = [Chosen("object:Account", future=False, options={"chosen_at": at})]
    added = place.add()
    documents = Seen().run(place.connector(), chosen).documents()
    assert added not in documents
    assert len(documents) == 91


def test_after_a_long_break_everything_is_read(place: Place) -> None:
    since = (datetime.now(UTC) - timedelta(days=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    changes = list(place.connector().changes({"since": since}, ALL))
    assert changes[-1] == Complete(None)


def test_deletions_are_told_by_the_log(place: Place) -> None:
    seen = Seen().run(place.connector())
    deleted = place.delete()
    changes = list(place.connector().changes(seen.cursor, ALL))
    assert Delete(deleted) in changes
    assert not [c for c in changes if isinstance(c, Complete)]
    assert not [c for c in changes if isinstance(c, Upsert) and c.node.external_id == "record:Account:0010001"]


def test_records_are_found_and_quotes_are_harmless(place: Place) -> None:
    assert [node.title for node in place.connector().find("TURBINE is")] == ["00001001 Turbine is loud"]
    for text in ("' OR Name != '", "\\' OR Name != '", "100%"):
        assert list(place.connector().find(text)) == []


def test_a_record_that_went_is_skipped(place: Place) -> None:
    connector = place.connector()
    seen = Seen().run(connector)
    node = seen.nodes[place.delete()]
    with pytest.raises(NodeError) as caught:
        connector.fetch(node)
    assert caught.value.skip
