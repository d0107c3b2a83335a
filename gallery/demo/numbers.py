"""Fernwick's tables: deals, tickets, invoices and who works there. The same with each seed, and true to the handbook."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from xml.sax.saxutils import escape

from gallery.demo.dates import Calendar

Rows = list[list[Any]]
"""The first row is the head."""

CUSTOMERS = (
    ("Loxum Roses", "BE", "Estate"), ("Brabant Tomaten", "NL", "Grower"), ("Fresas del Odiel", "ES", "Grower"),
    ("Kwekerij Vandersloot", "NL", "Grower"), ("Serres du Marais", "FR", "Seed"), ("Gärtnerei Halbmond", "DE", "Seed"),
    ("Polderkas Noord", "NL", "Estate"), ("Les Jardins d'Orval", "BE", "Grower"), ("Hartenbos Seedlings", "NL", "Grower"),
    ("Bloemen Coöperatie Zuid", "BE", "Grower"), ("Orchideeën Wittewater", "NL", "Estate"), ("Tomates Bellecombe", "FR", "Grower"),
    ("Hof Eschenau", "DE", "Grower"), ("De Groene Ruit", "BE", "Seed"), ("Invernaderos La Zarza", "ES", "Seed"),
    ("Paprika Peelland", "NL", "Grower"), ("Aardbeien Meulebroek", "BE", "Seed"), ("Rosenhof Lindau", "DE", "Estate"),
    ("Kruiden van Tessel", "NL", "Seed"), ("Pépinière Clairbois", "FR", "Grower"), ("Sla en Zo", "NL", "Seed"),
    ("Glas Westerkwartier", "NL", "Grower"), ("Chrysant Oudehoorn", "NL", "Grower"), ("Gemüse Talheimer", "DE", "Seed"),
    ("Tuinbouwschool Melle", "BE", "Grower"), ("Cucumis Kessel", "NL", "Estate"),
)  # fmt: skip
PRICES = {"Seed": 49, "Grower": 119, "Estate": 349}
TARGETS = {"Estate": 1, "Grower": 4, "Seed": 8}
"""Hours of a working day until the first answer."""
SUBJECTS = (
    ("Sprig does not pair", "Sprig", 9), ("Trellis blinks red", "Trellis", 8), ("CO2 reading drifts", "Sprig", 5),
    ("Alert did not arrive", "Canopy", 6), ("Too many alerts", "Canopy", 6), ("Return of hardware", "Sprig", 4),
    ("Charts stand still", "Canopy", 4), ("Change of plan", "Canopy", 5), ("Export of readings", "Canopy", 3),
    ("Empty cells", "Sprig", 5), ("Invoice question", "Canopy", 3), ("API key", "Canopy", 2), ("Gateway full", "Trellis", 2),
)  # fmt: skip
AGENTS = ("Chiara Bonn", "Priya Natt", "Mats Oberg", "Ilse Veen", "Joke Daems", "Rafi Stern")
TEAMS = (
    ("Engineering", "Engineer", 17), ("Support", "Support agent", 6), ("Sales", "Account executive", 8), ("Workshop", "Technician", 12),
    ("Product", "Designer", 3), ("Marketing", "Marketing", 2), ("People", "People partner", 2), ("Finance", "Accountant", 3),
    ("Operations", "Office", 3), ("Legal", "Legal counsel", 1), ("Leadership", "Managing director", 1),
)  # fmt: skip


def tickets(calendar: Calendar, number: int = 240) -> Rows:
    """Of the last 90 days, oldest first. Hours are those of support's own clock."""
    chance = random.Random(41)
    weights = [weight for _, _, weight in SUBJECTS]
    opened = sorted(
        ((chance.randint(0, 89), chance.randint(7, 18), chance.randint(0, 59)) for _ in range(number)), reverse=True
    )
    head = ["ticket", "opened", "customer", "country", "plan", "subject", "product", "agent", "first_answer_hours",
            "solved_hours", "state"]  # fmt: skip
    rows: Rows = [head]
    for place, (ago, hour, minute) in enumerate(opened):
        customer, country, plan = chance.choice(CUSTOMERS)
        # The evening on which Trellis 4.2.0 repeated itself, see #incidents.
        subject, product, _ = ("Charts stand still", "Canopy", 0) if ago == 24 else chance.choices(SUBJECTS, weights)[0]
        first = round(
            TARGETS[plan] * (chance.uniform(0.1, 0.95) if chance.random() < 0.91 else chance.uniform(1.1, 2.5)), 1
        )
        solved = round(first + chance.expovariate(1 / 9), 1)
        state = "waiting" if ago < 4 and chance.random() < 0.5 else "solved"
        day = calendar.day(ago)
        rows.append([4100 + place, f"{day} {hour:02}:{minute:02}", customer, country, plan, subject, product,
                     chance.choice(AGENTS), first, solved if state == "solved" else "", state])  # fmt: skip
    return rows


def deals(calendar: Calendar) -> Rows:
    chance = random.Random(7)
    stages = ("new", "qualified", "pilot", "offer", "won", "lost")
    head = ["deal", "customer", "country", "plan", "sites", "sprigs", "stage", "owner", "discount_percent",
            "canopy_eur_a_year", "created", "closes", "agreed_in_return"]  # fmt: skip
    rows: Rows = [head, ["D-101", "Brabant Tomaten", "NL", "Grower", 3, 84, "won", "Noor Haddan", 15, round(3 * 119 * 12 * 0.85),
                         calendar.day(36), calendar.day(2), "three years; a reference after the first season"]]  # fmt: skip
    for place in range(2, 46):
        customer, country, plan = chance.choice(CUSTOMERS)
        stage = chance.choices(stages, (8, 9, 5, 9, 14, 12))[0]
        sites, discount = chance.randint(1, 6), chance.choice((0, 0, 0, 5, 8, 10, 12, 15, 20))
        created = chance.randint(20, 240)
        closes = -chance.randint(5, 90) if stage not in ("won", "lost") else chance.randint(1, created - 10)
        gave = (
            chance.choice(("two years", "a reference", "start before the end of the quarter", "cooperative"))
            if discount
            else ""
        )
        rows.append([f"D-{100 + place}", customer, country, plan, sites, sites * chance.randint(4, 30), stage,
                     chance.choice(("Noor Haddan", "Lukas Amberg", "Sanne Kool")), discount,
                     round(sites * PRICES[plan] * 12 * (1 - discount / 100)), calendar.day(created), calendar.day(closes), gave])  # fmt: skip
    return rows


def invoices(calendar: Calendar, number: int = 110) -> Rows:
    chance = random.Random(19)
    head = ["invoice", "date", "customer", "country", "for", "net_eur", "vat_eur", "total_eur", "due", "paid", "days_late",
            "reminder"]  # fmt: skip
    rows: Rows = [head]
    for place, ago in enumerate(sorted((chance.randint(1, 200) for _ in range(number)), reverse=True)):
        customer, country, plan = chance.choice(CUSTOMERS)
        year = chance.random() < 0.5
        net = (
            chance.randint(1, 4) * PRICES[plan] * 12
            if year
            else chance.choice((1, 2, 4, 8)) * 690 + chance.randint(1, 60) * 149
        )
        vat = round(net * 0.21, 2) if country == "BE" else 0.0
        date = calendar.day(ago)
        late = chance.choice((-12, -9, -6, -3, -1, 0, 0, 2, 5, 12, 26, 40, 70))
        paid = ago - 30 - late > 0
        since = late if paid else max(0, ago - 30)
        reminder = next(
            (words for days, words in ((60, "on hold"), (35, "letter"), (21, "call"), (7, "mail")) if since >= days), ""
        )
        rows.append([f"F{calendar.day(ago).year}-{1400 + place}", date, customer, country, f"Canopy {plan}" if year else "Hardware",
                     net, vat, round(net + vat, 2), date + timedelta(days=30),
                     date + timedelta(days=30 + late) if paid else "", max(0, since), reminder])  # fmt: skip
    return rows


def headcount(calendar: Calendar, named: Sequence[tuple[str, str, str]]) -> Rows:
    """58 people; ``named``: (name, title, team) of those who are in the portal, the others go by number."""
    chance = random.Random(3)
    rows: Rows = [["number", "name", "team", "title", "level", "place", "hours_a_week", "since"]]
    open_places = {team: places for team, _, places in TEAMS}
    titles = {team: title for team, title, _ in TEAMS}
    staff = list(named)
    for _, _, team in named:
        open_places[team] = max(0, open_places[team] - 1)
    staff += [("", titles[team], team) for team, places in open_places.items() for _ in range(places)]
    for number, (name, title, team) in enumerate(staff[:58], 1):
        place = "Wageningen" if title == "Firmware engineer" or (team == "Engineering" and number % 2) else "Ghent"
        rows.append([number, name or f"Employee {number}", team, title, chance.randint(1, 4) if not name else 4,
                     place, chance.choice((38, 38, 38, 38, 30.4, 19)), calendar.day(chance.randint(60, 3000))])  # fmt: skip
    return rows


# ---- As files ----------------------------------------------------------------------------------------------------


def as_file(name: str, rows: Rows) -> bytes:
    """As what its name ends in."""
    return as_xlsx("Staff", rows) if name.endswith(".xlsx") else as_csv(rows)


def as_csv(rows: Rows) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def as_xlsx(sheet: str, rows: Rows) -> bytes:
    """A workbook with one sheet, as small as the format allows."""
    kinds, main = "application/vnd.openxmlformats-officedocument.spreadsheetml", "http://schemas.openxmlformats.org"
    head, relations = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>', f"{main}/package/2006/relationships"
    office = f"{main}/officeDocument/2006/relationships"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{main}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="rId1" Type="{office}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{relations}"><Relationship Id="rId1" Type="{office}/worksheet" '
        'Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}/spreadsheetml/2006/main" xmlns:r="{office}"><sheets>'
        f'<sheet name="{escape(sheet)}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}/spreadsheetml/2006/main"><sheetData>'
        + "".join(_row(number, cells) for number, cells in enumerate(rows, 1)) + "</sheetData></worksheet>",
    }  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, head + text)
    return packed.getvalue()


def _row(number: int, cells: Iterable[Any]) -> str:
    told = "".join(_cell(f"{chr(65 + place)}{number}", value) for place, value in enumerate(cells))
    return f'<row r="{number}">{told}</row>'


def _cell(name: str, value: Any) -> str:
    if isinstance(value, int | float):
        return f'<c r="{name}"><v>{value}</v></c>'
    return f'<c r="{name}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'
