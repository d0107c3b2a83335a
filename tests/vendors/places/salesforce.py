"""Salesforce on loopback: describe, SOQL with pages, the log of deletions, list views, log-ins, limits and their errors.

``python -m tests.vendors.places.salesforce`` prints its address and runs until it is killed.
"""

from __future__ import annotations

import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from aiohttp import web

from tests.vendors.places.loopback import Loopback
from tests.vendors.places.oauth import CLIENT_ID, CLIENT_SECRET
from tests.vendors.places.salesforce_schema import FIELDS, LABELS, NAME_FIELD, STANDARD, TARGETS
from tests.vendors.places.sign_ins import SalesforceSignIn
from tests.vendors.places.soql import Malformed, Query, parse, value

TOKEN, USER, PASSWORD, SECURITY_TOKEN, CONSUMER_KEY = (
    "00D!loopback",
    "atrium@acme.example",
    "pass",
    "sectok",
    "3MVG9loop",
)
PAGE = 40
DATA = "/services/data/v59.0"
Json = dict[str, Any]
_CODES = {401: "INVALID_SESSION_ID", 403: "INSUFFICIENT_ACCESS", 404: "NOT_FOUND", 503: "SERVER_UNAVAILABLE"}


class SalesforceServer(Loopback):
    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.records: dict[str, dict[str, Json]] = {name: {} for name in FIELDS}
        self.list_views: dict[str, dict[str, str]] = {}
        self.hidden_fields: set[tuple[str, str]] = set()
        self.hidden_objects: set[str] = set()
        self.gone: list[tuple[str, str, datetime]] = []
        self.locators: dict[str, list[Json]] = {}
        self.tokens = {TOKEN}
        self.sign_in = SalesforceSignIn()
        self.limit = ""
        self.asked: list[str] = []

    def routes(self) -> list[web.RouteDef]:
        handle, checked = self.handle, self.checked
        return [
            web.post("/services/Soap/u/59.0", handle(self.soap_login)),
            web.get("/services/oauth2/authorize", self.sign_in.authorize),
            web.post("/services/oauth2/token", handle(self.token)),
            web.get("/services/oauth2/userinfo", checked(self.userinfo)),
            web.get(f"{DATA}/sobjects", checked(self.objects)),
            web.get(f"{DATA}/sobjects/{{name}}/describe", checked(self.describe)),
            web.get(f"{DATA}/sobjects/{{name}}/deleted/", checked(self.deleted)),
            web.get(f"{DATA}/sobjects/{{name}}/listviews", checked(self.views)),
            web.get(f"{DATA}/sobjects/{{name}}/listviews/{{id}}/describe", checked(self.view)),
            web.get(f"{DATA}/query/", checked(self.query)),
            web.get(f"{DATA}/query/{{locator}}", checked(self.more)),
        ]

    def checked(self, handler: Any) -> Any:
        async def inner(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if given not in self.tokens | self.sign_in.access:
                return self.error(401, {})
            if self.limit:
                return _errors("REQUEST_LIMIT_EXCEEDED", f"{self.limit} Limit exceeded.", 403)
            return await handler(request)

        return self.handle(inner)

    def error(self, status: int, headers: dict[str, str]) -> web.Response:
        """Salesforce has no 429: its limits are a 403 with a code of its own."""
        if status == 429:
            return _errors(
                "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", 403, headers
            )
        return _errors(_CODES.get(status, "UNKNOWN_EXCEPTION"), f"status {status}", status, headers)

    # what a person does at the vendor

    def put(self, name: str, key: str, when: datetime | None = None, **fields: Any) -> None:
        now = stamp(when or datetime.now(UTC))
        known = self.records[name].get(key)
        base = known or {
            "Id": key,
            "IsDeleted": False,
            "CreatedDate": now,
            "CreatedBy": _user("Ann Kaur"),
            "Owner": _user("Bo Lind"),
        }
        self.records[name][key] = {**base, **fields, "SystemModstamp": now}

    def remove(self, name: str, key: str) -> None:
        del self.records[name][key]
        self.gone.append((name, key, datetime.now(UTC)))

    # log-ins

    async def soap_login(self, request: web.Request) -> web.Response:
        body = await request.text()
        if f"<n1:username>{USER}<" not in body or f"<n1:password>{PASSWORD}{SECURITY_TOKEN}<" not in body:
            fault = (
                "<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode>"
                "<sf:exceptionMessage>Invalid username, password, security token; or user locked out.</sf:exceptionMessage>"
            )
            return web.Response(text=f'<e xmlns:sf="urn:fault.partner.soap.sforce.com">{fault}</e>', status=500)
        told = f"<serverUrl>{self.base_url}/services/Soap/u/59.0/00D</serverUrl><sessionId>{TOKEN}</sessionId>"
        return web.Response(text=f"<result>{told}</result>", content_type="text/xml")

    async def token(self, request: web.Request) -> web.Response:
        data = await request.post()
        if data.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return await self.sign_in.token(request)
        if not data.get("assertion"):
            return web.json_response({"error": "invalid_grant", "error_description": "not valid"}, status=400)
        return web.json_response({"access_token": TOKEN, "instance_url": self.base_url, "token_type": "Bearer"})

    async def userinfo(self, request: web.Request) -> web.Response:
        return web.json_response({"user_id": "005", "urls": {"rest": f"{self.base_url}/services/data/v{{version}}/"}})

    # the API

    async def objects(self, request: web.Request) -> web.Response:
        shown = [name for name in FIELDS if name not in self.hidden_objects]
        return web.json_response(
            {"sobjects": [{"name": name, "label": name, "queryable": True, "replicateable": True} for name in shown]}
        )

    async def describe(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in FIELDS or name in self.hidden_objects:
            return self.error(404, {})
        label, plural = LABELS.get(name, (name, f"{name}s"))
        children = []
        if name == "Case":
            children.append({"childSObject": "CaseComment", "field": "ParentId", "relationshipName": "CaseComments"})
        return web.json_response(
            {
                "name": name,
                "label": label,
                "labelPlural": plural,
                "replicateable": name != "Knowledge__kav",
                "fields": [self._field(name, *field) for field in self._fields(name)],
                "childRelationships": children,
            }
        )

    def _fields(self, name: str) -> list[tuple[str, str, str]]:
        return [f for f in (*STANDARD, *FIELDS[name]) if (name, f[0]) not in self.hidden_fields]

    def _field(self, name: str, field: str, kind: str, label: str) -> Json:
        target = TARGETS.get(field)
        return {
            "name": field,
            "type": "textarea" if kind == "html" else kind,
            "label": label,
            "htmlFormatted": kind == "html",
            "nameField": field == NAME_FIELD.get(name, "Name"),
            "referenceTo": [target] if target else [],
            "relationshipName": field.removesuffix("Id") if target else None,
        }

    async def deleted(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        begin, end = (datetime.fromisoformat(request.query[key]) for key in ("start", "end"))
        if begin < datetime.now(UTC) - timedelta(days=15):
            return _errors("INVALID_REPLICATION_DATE", "startDate before org's replication enabled date", 400)
        found = [
            {"id": key, "deletedDate": stamp(when)}
            for of, key, when in self.gone
            if of == name and begin <= when <= end
        ]
        return web.json_response(
            {"deletedRecords": found, "earliestDateAvailable": stamp(begin), "latestDateCovered": stamp(end)}
        )

    async def views(self, request: web.Request) -> web.Response:
        found = self.list_views.get(request.match_info["name"], {})
        shown = [
            {"id": f"00B{n}", "label": label, "developerName": label.replace(" ", "_")} for n, label in enumerate(found)
        ]
        return web.json_response({"listviews": shown, "done": True, "nextRecordsUrl": None, "size": len(shown)})

    async def view(self, request: web.Request) -> web.Response:
        queries = list(self.list_views[request.match_info["name"]].values())
        return web.json_response({"id": request.match_info["id"], "query": queries[int(request.match_info["id"][3:])]})

    async def query(self, request: web.Request) -> web.Response:
        self.asked.append(request.query["q"])
        try:
            query = parse(request.query["q"])
            self._check(query)
        except Malformed as error:
            return _errors(error.code, str(error), 400)
        found = self._found(query.name, query, self.records[query.name].values())
        if query.columns == ["COUNT()"]:
            return web.json_response({"totalSize": len(found), "done": True, "records": []})
        if query.columns[0].startswith("COUNT(Id)"):
            newest = max((record["SystemModstamp"] for record in found), default=None)
            return web.json_response(
                {"totalSize": 1, "done": True, "records": [{"number": len(found), "newest": newest}]}
            )
        return self._page([self._shown(record, query) for record in found], len(found))

    async def more(self, request: web.Request) -> web.Response:
        rest = self.locators.pop(request.match_info["locator"], None)
        if rest is None:
            return _errors("INVALID_QUERY_LOCATOR", "invalid query locator", 400)
        return self._page(rest, len(rest))

    def _page(self, records: list[Json], total: int) -> web.Response:
        answer: Json = {"totalSize": total, "done": len(records) <= PAGE, "records": records[:PAGE]}
        if len(records) > PAGE:
            locator = uuid.uuid4().hex
            self.locators[locator] = records[PAGE:]
            answer["nextRecordsUrl"] = f"{DATA}/query/{locator}"
        return web.json_response(answer)

    def _check(self, query: Query) -> None:
        if query.name not in self.records or query.name in self.hidden_objects:
            raise Malformed("INVALID_TYPE", f"sObject type '{query.name}' is not supported.")
        known = {field for field, _, _ in self._fields(query.name)}
        known |= {field.removesuffix("Id") for field in known if field in TARGETS}
        for path in {*query.columns, *query.asked}:
            if not path.startswith(("COUNT", "MAX")) and path.split(".")[0] not in known:
                raise Malformed(
                    "INVALID_FIELD", f"ERROR at Row:1:Column:8 No such column '{path}' on entity '{query.name}'."
                )

    def _found(self, name: str, query: Query, records: Any) -> list[Json]:
        found = [record for record in records if query.test(record)]
        if query.scope == "mine":
            found = [record for record in found if value(record, "Owner.Name") == "Ann Kaur"]
        for path, descending in reversed(query.order):
            found = sorted(found, key=partial(_sort_key, path), reverse=descending)
        return found[: query.limit]

    def _shown(self, record: Json, query: Query) -> Json:
        shown: Json = {"attributes": {"type": query.name}}
        for path in query.columns:
            head, _, rest = path.partition(".")
            shown[head] = {rest: value(record, path)} if rest and record.get(head) else record.get(head)
        for relation, below in query.below.items():
            children = [c for c in self.records["CaseComment"].values() if c["ParentId"] == record["Id"]]
            rows = [self._shown(child, below) for child in self._found("CaseComment", below, children)]
            shown[relation] = {"totalSize": len(rows), "done": True, "records": rows} if rows else None
        return shown


def _sort_key(path: str, record: Json) -> str:
    return str(value(record, path) or "")


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _user(name: str) -> Json:
    return {"Name": name}


def _errors(code: str, message: str, status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response([{"message": message, "errorCode": code}], status=status, headers=headers)


def filled(port: int = 0) -> SalesforceServer:
    """A small company's customers: accounts over more than one page, deals, cases with comments, knowledge."""
    server, at = SalesforceServer(port), datetime.now(UTC) - timedelta(days=2)
    industries = ("Energy", "Retail")
    for number in range(90):
        server.put(
            "Account",
            f"001{number:04}",
            at + timedelta(seconds=number // 3),
            Name=f"Customer{number} Ltd",
            Type="Customer",
            Industry=industries[number % 2],
            Description=f"They buy part{number}.",
            AnnualRevenue=1000.0 * number,
        )
    server.put(
        "Opportunity",
        "006A",
        at,
        Name="New turbine",
        StageName="Negotiation",
        Amount=250000.0,
        CloseDate="2026-09-30",
        Probability=60.0,
        Description="A second turbine.",
        Account=_user("Customer7 Ltd"),
    )
    server.put(
        "Opportunity",
        "006B",
        at,
        Name="Service contract",
        StageName="Closed Won",
        Amount=12000.0,
        CloseDate="2026-02-01",
    )
    server.put(
        "Case",
        "500A",
        at,
        CaseNumber="00001001",
        Subject="Turbine is loud",
        Status="New",
        Priority="High",
        Description="It hums at night.\nEvery night.",
    )
    server.put("Case", "500B", at, CaseNumber="00001002", Subject="Invoice twice", Status="Closed", Priority="Low")
    server.put("CaseComment", "00aA", at, ParentId="500A", CommentBody="A technician comes on Monday.")
    server.put(
        "Knowledge__kav",
        "ka0A",
        at,
        KnowledgeArticleId="kA0A",
        Title="Silence a turbine",
        Summary="Oil it.",
        PublishStatus="Online",
        Language="en_US",
        Body__c="<p>Use <b>thick</b> oil.</p><script>x()</script>",
    )
    server.put(
        "Knowledge__kav",
        "ka0B",
        at,
        KnowledgeArticleId="kA0B",
        Title="Unfinished",
        PublishStatus="Draft",
        Language="en_US",
    )
    server.list_views["Account"] = {
        "Energy customers": "SELECT Name, Industry FROM Account WHERE Industry = 'Energy' ORDER BY Name ASC NULLS FIRST",
        "My accounts": "SELECT Name FROM Account USING SCOPE mine ORDER BY Name ASC",
    }
    return server


if __name__ == "__main__":
    with filled() as running:
        sys.stdout.write(
            f"{running.base_url}  {USER} / {PASSWORD} / {SECURITY_TOKEN}, or OAuth: {CLIENT_ID}, {CLIENT_SECRET}\n"
        )
        sys.stdout.flush()
        while True:
            time.sleep(3600)
