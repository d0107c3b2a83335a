"""Bytes to text: marks at the start, UTF-8, UTF-16 without a mark, what the file says of itself, then a guess."""

from __future__ import annotations

import codecs
import re
import unicodedata

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:\-]{2,40})""", re.IGNORECASE)
_UNWANTED = {c: None for c in range(32) if c not in (9, 10, 12)} | {0x7F: None, 0xFEFF: None, 0xFFFE: None}
_GUESS_BYTES = 65_536
_ALIASES = {"shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "iso-8859-1": "cp1252", "latin-1": "cp1252"}
_ALIASES |= {"latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}


def clean(text: str) -> str:
    """One kind of line end, no control characters, no marks of byte order, no lone surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isprintable():
        text = text.translate(_UNWANTED)
    if any("\ud800" <= c <= "\udfff" for c in text) if not text.isascii() else False:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def decode_certain(data: bytes) -> str | None:
    """The text where there is no doubt (a mark at the start, or valid UTF-8), else None. Cheap."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return clean(data[len(mark) :].decode(encoding))
            except UnicodeDecodeError:
                return None
    if b"\x00" in data[:4096]:
        return None
    try:
        return clean(data.decode("utf-8"))
    except UnicodeDecodeError:
        return None


def decode(data: bytes, *, declared: bool = False) -> tuple[str, str]:
    """(text, encoding). ``declared``: believe a charset that the first two kilobytes name (HTML, XML)."""
    certain = decode_certain(data)
    if certain is not None:
        return certain, "utf-8"
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return clean(data[len(mark) :].decode(encoding, "replace")), encoding
    wide = _wide(data)
    if wide:
        return clean(data.decode(wide, "replace")), wide
    if declared and (found := _DECLARED.search(data[:2048])):
        named = _ALIASES.get(found[1].decode().lower(), found[1].decode())
        if (text := _try(data, named)) is not None:
            return text, named
    for encoding in _guesses(data):
        if (text := _try(data, encoding)) is not None:
            return text, encoding
    return clean(data.decode("cp1252", "replace")), "cp1252"


def looks_like_text(data: bytes) -> bool:
    """Whether bytes of no known kind are text: hardly any control characters once decoded."""
    sample = data[:8192]
    if not sample or sample.startswith(tuple(mark for mark, _ in _MARKS)) or _wide(sample):
        return True
    if b"\x00" in sample:
        return False
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)
    return _odd_share(text) <= 0.02


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of Latin text is zero."""
    sample = data[:4096]
    if len(sample) < 4 or len(data) % 2:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > half * 0.4 and even < half * 0.05:
        return "utf-16-le" if _odd_share(sample.decode("utf-16-le", "replace")) < 0.02 else None
    if even > half * 0.4 and odd < half * 0.05:
        return "utf-16-be" if _odd_share(sample.decode("utf-16-be", "replace")) < 0.02 else None
    return None


def _odd_share(text: str) -> float:
    """How much of ``text`` no text has: control characters, and marks of what could not be decoded."""
    odd = sum(1 for c in text if c == "\ufffd" or (unicodedata.category(c) in ("Cc", "Cn") and c not in "\t\n\r\f"))
    return odd / max(1, len(text))


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return clean(data.decode(encoding))
    except (LookupError, UnicodeDecodeError):
        return None


def _guesses(data: bytes) -> list[str]:
    """Encodings to try, likeliest first. Short Western texts fool statistics, so cp1252 goes before a rare guess."""
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_GUESS_BYTES]).best()
    guess = best.encoding if best is not None else ""
    if _east_asian(data):
        return [e for e in ("cp932", "gb18030", "euc_kr", "big5") if e == guess] or [*_by_kana(data), guess]
    common = {"cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r", "cp1257", "cp1258", "cp874"}
    return [guess, "cp1252"] if guess in common and _mostly_high(data) else ["cp1252", guess]


def _mostly_high(data: bytes) -> bool:
    """Scripts other than Latin: most letters lie above 0x7F."""
    high = sum(1 for b in data[:_GUESS_BYTES] if b >= 0x80)
    letters = sum(1 for b in data[:_GUESS_BYTES] if 65 <= b <= 90 or 97 <= b <= 122)
    return high > letters


def _east_asian(data: bytes) -> bool:
    sample = data[:_GUESS_BYTES]
    return any(_is_double_byte(sample, e) for e in ("cp932", "gb18030", "euc_kr", "big5"))


def _is_double_byte(sample: bytes, encoding: str) -> bool:
    """Decodes, and nearly all that is not ASCII becomes letters of East Asia."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    wide = [c for c in text if ord(c) > 0x7F]
    common = sum(1 for c in wide if "\u3000" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7a3")
    return len(wide) >= 4 and common / len(wide) > 0.9


def _by_kana(data: bytes) -> list[str]:
    return [e for e in ("cp932", "euc_jp", "gb18030", "euc_kr", "big5") if _is_double_byte(data[:_GUESS_BYTES], e)]
