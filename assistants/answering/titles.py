"""What a conversation is called: at once by its question, later by the model where there is one."""

from __future__ import annotations

import asyncio
import re

from assistants.answering import prompts
from assistants.answering.condense import said_by
from assistants.answering.spec import AssistantSpec, Meter

LONGEST = 80
SECONDS = 30
_LEAD_IN = re.compile(
    r"^(?:hi|hello|hey|please|can you|could you|would you|tell me|explain|i want to know|i would like to know)\b[\s,:!]*",
    re.IGNORECASE,
)


def title_from(question: str) -> str:
    """The question's first sentence or line, without what people say before they ask, cut at a word."""
    line = next((line.strip() for line in question.splitlines() if line.strip()), "")
    line = " ".join(re.sub(r"[*_`#>]+", "", line).split())
    sentence = re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0]
    previous = ""
    while sentence != previous:
        previous, sentence = sentence, _LEAD_IN.sub("", sentence)
    sentence = (sentence or line).rstrip(" .!:,")
    if len(sentence) > LONGEST:
        sentence = sentence[:LONGEST].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"
    return sentence[:1].upper() + sentence[1:]


async def write_title(spec: AssistantSpec, question: str, meter: Meter) -> str:
    """The model's title, or what ``title_from`` gives where that is not one. Raises ProviderError, TimeoutError."""
    async with asyncio.timeout(SECONDS):
        text = await said_by(spec.chat, "title", prompts.titling(question, spec.language), meter, longest=2 * LONGEST)
    title = " ".join(re.sub(r"\[[\d, ]+\]", "", text).split()).strip(" \"'“”„.*#")
    return title if 0 < len(title) <= LONGEST else title_from(question)
