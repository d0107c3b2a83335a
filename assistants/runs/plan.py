"""What a run is given. Made by ``assistants.planning`` in one go, so that running needs no more questions to the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from assistants.answering.spec import AssistantSpec, Said
from assistants.models import Conversation, Message
from datasources.reading import SourceReader
from portal.ids import new_id
from portal.models import Credential, Membership
from portal.spending.accounts import Account


@dataclass(frozen=True, slots=True)
class Rows:
    """What is written down of a run. ``new`` rows are inserted by its first save, together or not at all.

    ``title`` is given to a conversation that has none.
    """

    conversation: Conversation
    question: Message
    answer: Message
    new: tuple[Conversation | Message, ...] = ()
    title: str = ""

    @property
    def new_conversation(self) -> bool:
        return self.conversation in self.new


@dataclass(frozen=True, slots=True)
class Plan:
    """``rows`` None is a trial: it is written down nowhere, and only ``asker`` may follow it.

    ``account``: who pays for its calls; those that embed are gathered there. ``goes_on``: others were asked too, and the next
    of them answers when this has ended.
    """

    asker: Membership
    spec: AssistantSpec
    turns: Sequence[Said]
    reader: SourceReader
    account: Account
    credential: Credential | None = None
    rows: Rows | None = None
    note: str = ""
    goes_on: bool = False
    id: UUID = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", self.rows.answer.pk if self.rows else new_id())
