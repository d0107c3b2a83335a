"""Languages that a person may be answered in. Atrium's own pages and mails are in English; see docs/decisions/language.md."""

from __future__ import annotations

from typing import Final, NamedTuple


class Language(NamedTuple):
    """``own``: as its speakers write it, for a list of choices. ``english``: as a prompt names it."""

    own: str
    english: str


LANGUAGES: Final[dict[str, Language]] = {
    "cs": Language("Čeština", "Czech"),
    "da": Language("Dansk", "Danish"),
    "de": Language("Deutsch", "German"),
    "en": Language("English", "English"),
    "es": Language("Español", "Spanish"),
    "fr": Language("Français", "French"),
    "it": Language("Italiano", "Italian"),
    "hu": Language("Magyar", "Hungarian"),
    "nl": Language("Nederlands", "Dutch"),
    "nb": Language("Norsk bokmål", "Norwegian Bokmål"),
    "pl": Language("Polski", "Polish"),
    "pt": Language("Português", "Portuguese"),
    "ro": Language("Română", "Romanian"),
    "fi": Language("Suomi", "Finnish"),
    "sv": Language("Svenska", "Swedish"),
    "tr": Language("Türkçe", "Turkish"),
    "el": Language("Ελληνικά", "Greek"),
    "uk": Language("Українська", "Ukrainian"),
    "ar": Language("العربية", "Arabic"),
    "hi": Language("हिन्दी", "Hindi"),
    "zh": Language("中文", "Chinese"),
    "ja": Language("日本語", "Japanese"),
    "ko": Language("한국어", "Korean"),
}
"""By their codes of ISO 639-1, in the order of their own names."""

AS_I_ASK: Final = "As I ask"
"""Of whoever chose none: an answer is in its question's language."""

CHOICES: Final = [("", AS_I_ASK), *((code, language.own) for code, language in LANGUAGES.items())]


def in_english(code: str) -> str:
    """What a prompt calls it; empty where none was chosen, or it is not offered any more."""
    found = LANGUAGES.get(code)
    return found.english if found else ""
