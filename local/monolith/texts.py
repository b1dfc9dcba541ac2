"""Words and awkward values that the seed data and the workload are made of."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

COUNTRIES = (
    ("AT", "Österreich", "EUR", True),
    ("BE", "België / Belgique", "EUR", True),
    ("BR", "Brasil", "BRL", False),
    ("CA", "Canada", "CAD", False),
    ("CH", "Schweiz/Suisse/Svizzera/Svizra", "CHF", False),
    ("CI", "Côte d'Ivoire", "XOF", False),
    ("DE", "Deutschland", "EUR", True),
    ("EG", "مصر", "EGP", False),
    ("FR", "France", "EUR", True),
    ("GR", "Ελλάδα", "EUR", True),
    ("IL", "ישראל", "ILS", False),
    ("IN", "भारत", "INR", False),
    ("JP", "日本", "JPY", False),
    ("KR", "대한민국", "KRW", False),
    ("NO", "Norge", "NOK", False),
    ("PL", "Polska", "PLN", True),
    ("TH", "ประเทศไทย", "THB", False),
    ("TR", "Türkiye", "TRY", False),
    ("UA", "Україна", "UAH", False),
    ("US", "United States", "USD", False),
)
COUNTRY_CODES = tuple(country[0] for country in COUNTRIES)

# Text that has broken something somewhere: several scripts and directions, combining and invisible characters, quotes,
# escapes, line ends, control characters, the ends of the Unicode range, and things that look like something else.
AWKWARD = (
    "Zoë Ångström",
    "Zoe\u0308 A\u030angstro\u0308m",
    'O\'Brien "Bob" \\ Söhne',
    "李小龙",
    "محمد بن سلمان \u200f(1)",
    "דָּוִד כהן",
    "Ana 👩‍👩‍👧‍👦 & 🏳️‍🌈 Family",
    "two\nlines\r\nand a\ttab",
    " spaces around ",
    "नमस्ते दुनिया",
    "\u0e19\u0e49\u0e33 \u0e01\u0e33",
    "zero\u200bwidth\ufeff joined\u200d",
    "\u202eright to left\u202c",
    "\U0010ffff \ufffd \u2028 \u2029",
    "\x01\x1f\x7f\x85",
    "e\u0301\u0323\u0302 Z̴̡̛͓a̷l̵g̶o̸",
    "null",
    "NaN",
    "-0",
    "1e400",
    "2024-02-30T25:61:61Z",
    '{"not": json\'}',
    "<b>&amp;</b> %00 %s {} ${jndi:x} ; DROP TABLE orders; --",
    "ﬁ ſ ß ẞ İ ı Ⅷ ½ Å",
)
FIRST_NAMES = (
    "Ada",
    "Björn",
    "Chloé",
    "Đorđe",
    "Eun-ji",
    "Fátima",
    "Grace",
    "Hiroshi",
    "Iñaki",
    "Jürgen",
    "Łucja",
    "Ngọc",
)
LAST_NAMES = (
    "Álvarez",
    "Brandt",
    "Çelik",
    "Dupont",
    "Eriksson",
    "Fischer",
    "García",
    "Horváth",
    "Ito",
    "Kováč",
    "Müller",
)
CITIES = (
    "Łódź",
    "München",
    "São Paulo",
    "Zürich",
    "Αθήνα",
    "Київ",
    "القاهرة",
    "ירושלים",
    "東京",
    "서울",
    "Springfield",
)
STREETS = ("Hauptstraße", "Rue de l'Église", "Main St. #", "Østergade", "ул. Крещатик", "শান্তিনগর", "中山路")
MATERIALS = ("Steel", "Oak", "Linen", "Glass", "Kork", "Céramique", "竹", "Wool")
THINGS = ("table", "chair", "lamp", "kettle", "Regal", "oreiller", "shelf ½″", "box\u00a0XL", "clock ⏰", "rug")
CATEGORY_NAMES = ("Living", "Küche", "Bad & Spa", "Garden", "Büro", "Kinder", "Outdoor", "Déco", "Lighting", "整理")
# Keys that must be escaped, folded or told apart rightly: separators, case, leading zeros, composed and not.
AWKWARD_SKUS = (
    "42",
    "042",
    "4.20",
    "abc",
    "ABC",
    "a b",
    "a/b",
    "a#b",
    "a|b",
    "a%23b",
    "a%b",
    "é-1",
    "e\u0301-1",
    "🪑-1",
    "'quoted\"",
    "-",
    "#",
    "🪑" * 150,  # longer than a key may be as it stands
)
PRICES = tuple(map(Decimal, ("0.00", "0.01", "0.10", "1.00", "9.99", "100.00", "1234.50", "99999.90", "9999999999.99")))
WEIGHTS = (None, *map(Decimal, ("0.000", "0.001", "0.100", "1.250", "10.000", "9999999.999")))
DISCOUNTS = (None, None, *map(Decimal, ("0.0000", "0.0500", "0.1000", "0.3333", "1.0000")))
_JSON_LEAVES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    12345678901234567890,
    0.1,
    1e-07,
    -2.5,
    "",
    "text",
    *AWKWARD[:12],
)
_JSON_KEYS = ("size", "colour", "größe", "色", "a.b", "$ref", "with space", "0", "emoji 🎨", "quote\"'")


def name(random: Random) -> str:
    """A person's name, now and then an awkward text."""
    if random.random() < 0.15:
        return f"{random.choice(AWKWARD)} {random.randrange(100)}"
    return f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}"


def title(random: Random) -> str:
    """A product's title, now and then an awkward text."""
    if random.random() < 0.1:
        return f"{random.choice(AWKWARD)} {random.randrange(100)}"
    return f"{random.choice(MATERIALS)} {random.choice(THINGS)} {random.randrange(1000)}"


def email(random: Random, customer: object) -> str | None:
    """An e-mail address or none."""
    return None if random.random() < 0.15 else f"customer+{customer}@exämple-{random.randrange(9)}.test"


def note(random: Random) -> str | None:
    """An order's note: none, empty or text."""
    return random.choice((None, None, "", "leave at the door", random.choice(AWKWARD)))


def description(random: Random) -> str | None:
    """A description: none, short, or so long that PostgreSQL keeps it outside the row and out of its updates' log."""
    kind = random.random()
    if kind < 0.3:
        return None
    if kind < 0.9:
        return random.choice((*AWKWARD, "", "Solid and plain."))
    return " ".join(f"{random.choice(THINGS)}{random.getrandbits(48):x}" for _ in range(random.randrange(300, 900)))


def document(random: Random, depth: int = 4) -> Any:
    """A JSON value: nested objects and lists over awkward keys and leaves."""
    kind = random.random()
    if depth == 0 or kind < 0.3:
        return random.choice(_JSON_LEAVES)
    if kind < 0.45:
        return [document(random, depth - 1) for _ in range(random.randrange(4))]
    return {random.choice(_JSON_KEYS): document(random, depth - 1) for _ in range(random.randrange(5))}


def price(random: Random) -> Decimal:
    """A price: mostly ordinary, now and then one with trailing zeros or at an end of the range."""
    return random.choice(PRICES) if random.random() < 0.1 else Decimal(random.randrange(50, 50_000)).scaleb(-2)
