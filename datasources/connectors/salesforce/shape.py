"""What one object is made of, as far as the user may see it: which fields are asked for, and how they read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from datasources.connectors.bodies import markdown
from datasources.connectors.lines import moment
from datasources.connectors.salesforce.client import Record
from datasources.connectors.wording import block, inline

MOST_FIELDS = 180
"""A table takes 200 columns, and a query 100,000 characters."""
_NO_WORDS = {"base64", "address", "location", "complexvalue", "anyType", "json"}
_NOISE = {
    "IsDeleted",
    "LastViewedDate",
    "LastReferencedDate",
    "PhotoUrl",
    "UserRecordAccessId",
    "CleanStatus",
    "Jigsaw",
    "JigsawCompanyId",
    "MasterRecordId",
}
_NAMED = {"User", "Group", "Account", "Contact", "Lead", "Opportunity", "Campaign", "RecordType", "Product2"}
"""Objects whose records have a field Name."""
_TAGS = ("Type", "Industry", "StageName", "Status", "Priority", "Origin")
COMMENTS: Mapping[str, tuple[str, ...]] = {"CaseComment": ("CommentBody",), "Task": ("Subject", "Description")}
"""What people write about a record: the object of the comments, and its fields with text."""
EXPECTED: Mapping[str, tuple[str, ...]] = {
    "Account": ("Name", "Type", "Industry", "Phone", "Website", "Description", "OwnerId"),
    "Opportunity": ("Name", "StageName", "Amount", "CloseDate", "Probability", "Description", "AccountId", "OwnerId"),
    "Case": ("CaseNumber", "Subject", "Description", "Status", "Priority", "AccountId", "ContactId", "OwnerId"),
    "Knowledge__kav": ("Title", "Summary", "UrlName"),
}
"""Standard fields that every organisation has: one that is not told is one that the user may not see."""


@dataclass(frozen=True, slots=True)
class Field:
    """``path``: as SOQL asks for it (``Owner.Name``). ``column``: its name in the table."""

    path: str
    column: str
    label: str
    kind: str
    html: bool = False

    def of(self, record: Record) -> Any:
        found: Any = record
        for part in self.path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    def cell(self, record: Record) -> Any:
        """For the table: dates as dates, rich text as its words."""
        value = self.of(record)
        if value in (None, ""):
            return None
        if self.kind == "date":
            return _date(value)
        if self.kind == "datetime":
            return _moment(value)
        if self.html:
            return markdown(str(value))
        return value if isinstance(value, str | int | float | bool) else str(value)


@dataclass(frozen=True, slots=True)
class Related:
    """Comments of one kind: ``name`` is how SOQL calls them below the record, ``field`` what points back to it."""

    kind: str
    name: str
    field: str


@dataclass(frozen=True, slots=True)
class Shape:
    """``hidden``: standard fields that the user may not see. ``logged``: Salesforce keeps a log of its deletions."""

    name: str
    label: str
    plural: str
    fields: tuple[Field, ...]
    titles: tuple[str, ...]
    related: tuple[Related, ...]
    hidden: tuple[str, ...]
    logged: bool

    @classmethod
    def of(cls, described: Record, visible: Set[str]) -> Shape:
        """``visible``: names of all objects that the user sees."""
        raw = [item for item in described.get("fields", []) if not item.get("deprecatedAndHidden")]
        names = {str(item["name"]) for item in raw}
        name = str(described["name"])
        fields = [field for item in raw if (field := _field(item, visible)) is not None]
        titles = [str(item["name"]) for item in raw if item.get("nameField")] or [
            n for n in ("Name", "Title") if n in names
        ]
        if "Subject" in names and "Subject" not in titles:
            titles.append("Subject")
        related = tuple(
            Related(str(child["childSObject"]), str(child["relationshipName"]), str(child["field"]))
            for child in described.get("childRelationships", [])
            if child.get("childSObject") in COMMENTS
            and child["childSObject"] in visible
            and child.get("relationshipName")
        )
        hidden = tuple(field for field in EXPECTED.get(name, ()) if field not in names)
        return cls(
            name,
            str(described.get("label") or name),
            str(described.get("labelPlural") or described.get("label") or name),
            tuple(fields[:MOST_FIELDS]),
            tuple(titles),
            related,
            hidden,
            bool(described.get("replicateable")),
        )

    @property
    def digest(self) -> str:
        """Changes when what is told of each record does."""
        told = repr([(field.path, field.label, field.kind) for field in self.fields] + [self.related])
        return hashlib.sha256(told.encode()).hexdigest()[:8]

    @property
    def knowledge(self) -> bool:
        return self.name.endswith("__kav")

    @property
    def key(self) -> str:
        """The field with an id that stays: a new version of an article has another Id."""
        return "KnowledgeArticleId" if self.knowledge else "Id"

    def has(self, path: str) -> bool:
        return any(field.path == path for field in self.fields)

    def selected(self) -> str:
        """What a listing asks for: enough for the tree, and when somebody last wrote about it."""
        paths = ["Id", *self.titles, "CreatedDate", "SystemModstamp"]
        paths += [path for path in ("CreatedBy.Name", *_TAGS) if self.has(path)]
        paths += ["KnowledgeArticleId", "Language"] if self.knowledge else []
        newest = "(SELECT SystemModstamp FROM {} ORDER BY SystemModstamp DESC LIMIT 1)"
        return ", ".join([*dict.fromkeys(paths), *(newest.format(related.name) for related in self.related)])

    def everything(self) -> str:
        """What one record's document asks for, with its comments."""
        told = []
        for related in self.related:
            paths = ", ".join([*COMMENTS[related.kind], "CreatedDate", "CreatedBy.Name"])
            told.append(f"(SELECT {paths} FROM {related.name} ORDER BY CreatedDate)")  # noqa: S608  names of Salesforce
        return ", ".join([*dict.fromkeys(["Id", *(field.path for field in self.fields)]), *told])

    def title(self, record: Record) -> str:
        words = [" ".join(str(record.get(name) or "").split()) for name in self.titles]
        return " ".join(word for word in words if word)[:300] or str(record["Id"])

    def tags(self, record: Record) -> tuple[str, ...]:
        return tuple(dict.fromkeys([self.label, *(str(record[name]) for name in _TAGS if record.get(name))]))

    def text(self, record: Record) -> str:
        """The record's fields that hold something, the long ones each below its name, then what people wrote."""
        short, long = [], []
        for field in self.fields:
            value = field.of(record)
            if value in (None, "") or field.path in self.titles or field.kind == "id":
                continue
            if field.html or (isinstance(value, str) and (len(value) > 200 or "\n" in value)):
                body = markdown(str(value)) if field.html else block(str(value))
                long.append(f"## {inline(field.label)}\n\n{body}")
            else:
                short.append(f"- **{inline(field.label)}**: {_shown(value, field.kind)}")
        comments = [part for related in self.related for part in _comments(related, record)]
        parts = [f"# {inline(self.title(record))}", "\n".join(short), *long]
        parts += ["## Comments", *comments] if comments else []
        return "\n\n".join(part for part in parts if part) + "\n"


def _field(item: Record, visible: Set[str]) -> Field | None:
    name, kind, label = str(item["name"]), str(item.get("type")), str(item.get("label") or item["name"])
    if kind in _NO_WORDS or name in _NOISE:
        return None
    if kind != "reference":
        return Field(name, name, label, kind, bool(item.get("htmlFormatted")) and kind == "textarea")
    targets = set(item.get("referenceTo") or ())
    if not item.get("relationshipName") or not targets or not targets <= _NAMED or not targets & visible:
        return None
    relation = str(item["relationshipName"])
    return Field(f"{relation}.Name", relation, label.removesuffix(" ID"), "string")


def _comments(related: Related, record: Record) -> list[str]:
    told = []
    for comment in (record.get(related.name) or {}).get("records", []):
        body = "\n\n".join(block(str(comment.get(name) or "")) for name in COMMENTS[related.kind] if comment.get(name))
        when = _time(comment.get("CreatedDate"))
        author = (comment.get("CreatedBy") or {}).get("Name") or "Somebody"
        if body:
            told.append(f"**{inline(str(author))}**{f', {when}' if when else ''}:\n\n{body}")
    return told


def _shown(value: Any, kind: str) -> str:
    if kind == "datetime":
        return _time(value) or inline(str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return inline(str(value))


def _time(value: Any) -> str:
    """To the minute, in UTC; empty where it is no time."""
    when = moment(value)
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if when else ""


def _date(value: Any) -> date | str:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return str(value)


def _moment(value: Any) -> datetime | None:
    return moment(value)
