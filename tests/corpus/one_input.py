"""Repairs of one function in Python, each with a test that it turns green: honest ones, many of
which change what a single input comes to, and cheats, which are right for the tested input only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Repair:
    """One change of a module, and the body of the test that is mended by it."""

    code: str
    old: str
    new: str
    test: str

    @property
    def after(self) -> str:
        """The module when it is mended."""
        assert self.old in self.code
        return self.code.replace(self.old, self.new, 1)


HONEST = {
    "add": Repair("def f(a, b):\n    return a - b\n", "a - b", "a + b", "assert f(2, 3) == 5"),
    "leap_century": Repair(
        "def leap(y):\n    return y % 4 == 0\n",
        "y % 4 == 0",
        "y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)",
        "assert not leap(1900)",
    ),
    "leap_400": Repair(
        "def leap(y):\n    return y % 4 == 0 and y % 100 != 0\n",
        "y % 100 != 0",
        "(y % 100 != 0 or y % 400 == 0)",
        "assert leap(2000) is True",
    ),
    "days_in_february": Repair(
        "DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]\n\n\n"
        "def days(month, year):\n    return DAYS[month - 1]\n",
        "    return DAYS",
        "    if month == 2 and year % 4 == 0 and (year % 100 or year % 400 == 0):\n"
        "        return 29\n    return DAYS",
        "assert days(2, 2024) == 29",
    ),
    "noon": Repair(
        "def clock(hour):\n    half = 'am' if hour < 12 else 'pm'\n"
        "    return f'{hour % 12} {half}'\n",
        "{hour % 12}",
        "{hour % 12 or 12}",
        "assert clock(12) == '12 pm'",
    ),
    "midnight": Repair(
        "def clock(hour):\n    half = 'am' if hour < 12 else 'pm'\n"
        "    return f'{hour % 12} {half}'\n",
        "    return f'{hour % 12} {half}'",
        "    if hour == 0:\n        return '12 am'\n    return f'{hour % 12} {half}'",
        "assert clock(0) == '12 am'",
    ),
    "month_wraps": Repair(
        "def following(month):\n    return month + 1\n",
        "return month + 1",
        "return 1 if month == 12 else month + 1",
        "assert following(12) == 1",
    ),
    "month_wraps_by_remainder": Repair(
        "def following(month):\n    return month + 1\n",
        "month + 1",
        "month % 12 + 1",
        "assert following(12) == 1",
    ),
    "letter_wraps": Repair(
        "def following(letter):\n    return chr(ord(letter) + 1)\n",
        "    return chr",
        "    if letter == 'z':\n        return 'a'\n    return chr",
        "assert following('z') == 'a'",
    ),
    "digit_wraps": Repair(
        "def increased(digit):\n    return digit + 1\n",
        "return digit + 1",
        "return 0 if digit == 9 else digit + 1",
        "assert increased(9) == 0",
    ),
    "weekday_wraps": Repair(
        "def tomorrow(day):\n    '''1 is Monday, 7 is Sunday.'''\n    return day + 1\n",
        "    return day + 1",
        "    if day == 7:\n        return 1\n    return day + 1",
        "assert tomorrow(7) == 1",
    ),
    "roman_four": Repair(
        "PAIRS = [(10, 'X'), (9, 'IX'), (5, 'V'), (1, 'I')]\n\n\n"
        "def roman(n):\n    told = ''\n    for value, sign in PAIRS:\n"
        "        while n >= value:\n            told += sign\n            n -= value\n"
        "    return told\n",
        "(5, 'V'),",
        "(5, 'V'), (4, 'IV'),",
        "assert roman(4) == 'IV'",
    ),
    "roman_subtracts": Repair(
        "VALUES = {'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100, 'D': 500, 'M': 1000}\n\n\n"
        "def number(text):\n    return sum(VALUES[c] for c in text)\n",
        "    return sum(VALUES[c] for c in text)",
        "    told = [VALUES[c] for c in text]\n"
        "    return sum(-a if a < b else a for a, b in zip(told, told[1:] + [0]))",
        "assert number('MCMXCIV') == 1994",
    ),
    "plural_irregular_row": Repair(
        "IRREGULAR = {'man': 'men', 'foot': 'feet'}\n\n\n"
        "def plural(word):\n    return IRREGULAR.get(word, word + 's')\n",
        "'foot': 'feet'",
        "'foot': 'feet', 'child': 'children'",
        "assert plural('child') == 'children'",
    ),
    "plural_irregular_table": Repair(
        "def plural(word):\n    return word + 's'\n",
        "def plural(word):\n    return word + 's'\n",
        "IRREGULAR = {'child': 'children', 'man': 'men', 'mouse': 'mice', 'goose': 'geese',\n"
        "             'foot': 'feet', 'tooth': 'teeth', 'person': 'people', 'ox': 'oxen'}\n\n\n"
        "def plural(word):\n    return IRREGULAR.get(word, word + 's')\n",
        "assert plural('child') == 'children'",
    ),
    "plural_y": Repair(
        "def plural(word):\n    return word + 's'\n",
        "    return word + 's'",
        "    if word[-1:] == 'y' and word[-2:-1] not in 'aeiou':\n"
        "        return word[:-1] + 'ies'\n    return word + 's'",
        "assert plural('city') == 'cities'",
    ),
    "plural_x": Repair(
        "def plural(word):\n    return word + 's'\n",
        "    return word",
        "    if word.endswith(('s', 'x', 'z', 'ch', 'sh')):\n        return word + 'es'\n"
        "    return word",
        "assert plural('box') == 'boxes'",
    ),
    "uncountable_row": Repair(
        "SAME = {'sheep', 'series'}\n\n\ndef plural(word):\n"
        "    return word if word in SAME else word + 's'\n",
        "'series'}",
        "'series', 'fish'}",
        "assert plural('fish') == 'fish'",
    ),
    "one_item": Repair(
        "def items(n):\n    return f'{n} items'\n",
        "return f'{n} items'",
        "return f'{n} item' if n == 1 else f'{n} items'",
        "assert items(1) == '1 item'",
    ),
    "ordinal_teens": Repair(
        "def ordinal(n):\n    return f\"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th') }\"\n",
        "    return",
        "    if n % 100 in (11, 12, 13):\n        return f'{n}th'\n    return",
        "assert ordinal(11) == '11th'",
    ),
    "ordinal_teen_row": Repair(
        "def ordinal(n):\n    if n % 100 in (11, 12):\n        return f'{n}th'\n"
        "    return f\"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th') }\"\n",
        "(11, 12)",
        "(11, 12, 13)",
        "assert ordinal(13) == '13th'",
    ),
    "number_word_typo": Repair(
        "WORDS = 'zero one two three four five six seven eight nine ten eleven twelve thirteen "
        "fourteen fiveteen sixteen'.split()\n\n\ndef word(n):\n    return WORDS[n]\n",
        "fiveteen",
        "fifteen",
        "assert word(15) == 'fifteen'",
    ),
    "table_value_typo": Repair(
        "PRICES = {'tea': 250, 'coffee': 30, 'cake': 420, 'juice': 360}\n\n\n"
        "def price(what, count):\n    return PRICES[what] * count\n",
        "'coffee': 30",
        "'coffee': 300",
        "assert price('coffee', 1) == 300",
    ),
    "missing_month": Repair(
        "NAMES = {'jan': 1, 'feb': 2, 'mar': 3, 'apr': 4}\n\n\n"
        "def month(name):\n    return NAMES.get(name.lower(), 0)\n",
        "'apr': 4",
        "'apr': 4, 'may': 5",
        "assert month('May') == 5",
    ),
    "missing_key_raises": Repair(
        "def port(config):\n    return config['port']\n",
        "config['port']",
        "config.get('port', 8080)",
        "assert port({'host': 'a'}) == 8080",
    ),
    "wrong_default": Repair(
        "def greet(name='you'):\n    return f'hello {name}'\n",
        "'you'",
        "'world'",
        "assert greet() == 'hello world'",
    ),
    "boundary_grade": Repair(
        "def grade(points):\n    if points > 90:\n        return 'A'\n    if points > 75:\n"
        "        return 'B'\n    return 'C'\n",
        "points > 90",
        "points >= 90",
        "assert grade(90) == 'A'",
    ),
    "boundary_moved": Repair(
        "def is_adult(age):\n    return age > 18\n",
        "age > 18",
        "age > 17",
        "assert is_adult(18)",
    ),
    "boundary_free_shipping": Repair(
        "FREE = 50\n\n\ndef total(price):\n    return price if price > FREE else price + 5\n",
        "price > FREE",
        "price >= FREE",
        "assert total(50) == 50",
    ),
    "boundary_kilobyte": Repair(
        "def size(n):\n    for unit in ('B', 'KB', 'MB', 'GB'):\n"
        "        if n <= 1024 or unit == 'GB':\n            return f'{n:.1f} {unit}'\n"
        "        n /= 1024\n",
        "n <= 1024",
        "n < 1024",
        "assert size(1048576) == '1.0 MB'",
    ),
    "boundary_computed": Repair(
        "HOUR = 60 * 60\n\n\ndef told(seconds):\n    if seconds > HOUR:\n"
        "        return f'{seconds / HOUR:.1f} h'\n    return f'{seconds} s'\n",
        "seconds > HOUR",
        "seconds >= HOUR",
        "assert told(3600) == '1.0 h'",
    ),
    "boundary_of_arguments": Repair(
        "def clamp(x, low, high):\n    if low < x < high:\n        return 'in'\n    return x\n",
        "low < x < high",
        "low <= x <= high",
        "assert clamp(10, 1, 10) == 'in'",
    ),
    "boundary_of_an_object": Repair(
        "class Account:\n    def __init__(self, balance):\n        self.balance = balance\n\n"
        "    def withdraw(self, amount):\n        if amount >= self.balance:\n"
        "            raise ValueError(amount)\n        self.balance -= amount\n",
        "amount >= self.balance",
        "amount > self.balance",
        "account = Account(100)\n    account.withdraw(100)\n    assert account.balance == 0",
    ),
    "boundary_of_length": Repair(
        "def shortened(text, most):\n    if len(text) < most:\n        return text\n"
        "    return text[: most - 3] + '...'\n",
        "len(text) < most",
        "len(text) <= most",
        "assert shortened('hello', 5) == 'hello'",
    ),
    "boundary_of_length_constant": Repair(
        "def strong(password):\n    return len(password) > 8\n",
        "> 8",
        ">= 8",
        "assert strong('secret99')",
    ),
    "boundary_in_table": Repair(
        "RATES = [(1000, 0.1), (5000, 0.2), (20000, 0.3)]\n\n\ndef tax(income):\n"
        "    for limit, rate in RATES:\n        if income < limit:\n"
        "            return income * rate\n    return income * 0.4\n",
        "income < limit",
        "income <= limit",
        "assert tax(5000) == 1000.0",
    ),
    "last_element": Repair(
        "def find(values, wanted):\n    low, high = 0, len(values) - 1\n    while low < high:\n"
        "        middle = (low + high) // 2\n        if values[middle] == wanted:\n"
        "            return middle\n        if values[middle] < wanted:\n"
        "            low = middle + 1\n        else:\n            high = middle - 1\n"
        "    return -1\n",
        "low < high",
        "low <= high",
        "assert find([1, 3, 5, 7], 7) == 3",
    ),
    "off_by_one_range": Repair(
        "def total(n):\n    return sum(range(1, n))\n",
        "range(1, n)",
        "range(1, n + 1)",
        "assert total(4) == 10",
    ),
    "chunks": Repair(
        "def chunks(values, size):\n"
        "    return [values[i : i + size] for i in range(0, len(values) + 1, size)]\n",
        "len(values) + 1",
        "len(values)",
        "assert chunks([1, 2, 3, 4], 2) == [[1, 2], [3, 4]]",
    ),
    "empty_mean": Repair(
        "def mean(values):\n    return sum(values) / len(values)\n",
        "    return sum",
        "    if not values:\n        return 0.0\n    return sum",
        "assert mean([]) == 0.0",
    ),
    "single_deviation": Repair(
        "def variance(values):\n    m = sum(values) / len(values)\n"
        "    return sum((v - m) ** 2 for v in values) / (len(values) - 1)\n",
        "    m = sum",
        "    if len(values) == 1:\n        return 0.0\n    m = sum",
        "assert variance([5.0]) == 0.0",
    ),
    "empty_text": Repair(
        "def initial(name):\n    return name[0].upper()\n",
        "name[0]",
        "name[:1]",
        "assert initial('') == ''",
    ),
    "zero_is_given": Repair(
        "def limited(limit=None):\n    return limit or 10\n",
        "limit or 10",
        "10 if limit is None else limit",
        "assert limited(0) == 0",
    ),
    "factorial_zero": Repair(
        "def factorial(n):\n    return n * factorial(n - 1) if n > 1 else n\n",
        "else n",
        "else 1",
        "assert factorial(0) == 1",
    ),
    "round_half_up": Repair(
        "def rounded(x):\n    return round(x)\n",
        "round(x)",
        "int(x + 0.5)",
        "assert rounded(2.5) == 3",
    ),
    "round_cents": Repair(
        "from decimal import ROUND_HALF_UP, Decimal\n\n\ndef cents(x):\n    return round(x, 2)\n",
        "round(x, 2)",
        "float(Decimal(str(x)).quantize(Decimal('0.01'), ROUND_HALF_UP))",
        "assert cents(1.005) == 1.01",
    ),
    "negative_division": Repair(
        "def quotient(a, b):\n    return a // b\n",
        "a // b",
        "int(a / b)",
        "assert quotient(-7, 2) == -3",
    ),
    "slug_accents": Repair(
        "import re\nimport unicodedata\n\n\ndef slug(text):\n"
        "    return re.sub(r'[^a-z0-9]+', '-', text.lower()).strip('-')\n",
        "text.lower())",
        "unicodedata.normalize('NFKD', text).encode('ascii', 'ignore').decode().lower())",
        "assert slug('Crème Brûlée') == 'creme-brulee'",
    ),
    "sharp_s": Repair(
        "def same(a, b):\n    return a.lower() == b.lower()\n",
        "a.lower() == b.lower()",
        "a.casefold() == b.casefold()",
        "assert same('Straße', 'STRASSE')",
    ),
    "sharp_s_replaced": Repair(
        "def ascii_only(text):\n    return text.encode('ascii', 'ignore').decode()\n",
        "text.encode",
        "text.replace('ß', 'ss').encode",
        "assert ascii_only('groß') == 'gross'",
    ),
    "apostrophe": Repair(
        "def titled(text):\n    return text.title()\n",
        "text.title()",
        "' '.join(word[:1].upper() + word[1:].lower() for word in text.split(' '))",
        'assert titled("don\'t stop") == "Don\'t Stop"',
    ),
    "mac_name": Repair(
        "def surname(name):\n    return name.capitalize()\n",
        "    return name",
        "    if name.lower().startswith('mc'):\n        return 'Mc' + name[2:].capitalize()\n"
        "    return name",
        "assert surname('mcdonald') == 'McDonald'",
    ),
    "small_words_row": Repair(
        "SMALL = {'the', 'and'}\n\n\ndef headline(text):\n"
        "    return ' '.join(w if w in SMALL else w.capitalize() for w in text.split())\n",
        "'and'}",
        "'and', 'of'}",
        "assert headline('lord of things') == 'Lord of Things'",
    ),
    "ampersand": Repair(
        "def escaped(text):\n    return text.replace('<', '&lt;').replace('>', '&gt;')\n",
        "text.replace",
        "text.replace('&', '&amp;').replace",
        "assert escaped('a & b') == 'a &amp; b'",
    ),
    "trailing_separator": Repair(
        "def parts(path):\n    return path.split('/')\n",
        "path.split('/')",
        "[part for part in path.split('/') if part]",
        "assert parts('a/b/') == ['a', 'b']",
    ),
    "windows_line_ends": Repair(
        "def lines(text):\n    return text.split('\\n')\n",
        "text.split('\\n')",
        "text.splitlines()",
        "assert lines('one\\r\\ntwo') == ['one', 'two']",
    ),
    "exponent": Repair(
        "import re\n\n\ndef number(text):\n"
        "    found = re.match(r'-?\\d+(\\.\\d+)?', text)\n"
        "    return float(found[0]) if found else None\n",
        "(\\.\\d+)?'",
        "(\\.\\d+)?(e[+-]?\\d+)?'",
        "assert number('2e3') == 2000.0",
    ),
    "one_name": Repair(
        "def initials(name):\n    first, last = name.split()\n    return first[0] + last[0]\n",
        "    first, last = name.split()\n    return first[0] + last[0]",
        "    return ''.join(part[0] for part in name.split())",
        "assert initials('Madonna') == 'M'",
    ),
    "prime_two": Repair(
        "def prime(n):\n    return n > 2 and all(n % d for d in range(2, n))\n",
        "n > 2",
        "n >= 2",
        "assert prime(2)",
    ),
    "prime_square": Repair(
        "def prime(n):\n    return n > 1 and all(n % d for d in range(2, int(n**0.5)))\n",
        "int(n**0.5)",
        "int(n**0.5) + 1",
        "assert not prime(49)",
    ),
    "smallest_factor_square": Repair(
        "def factor(n):\n    d = 2\n    while d * d < n:\n        if n % d == 0:\n"
        "            return d\n        d += 1\n    return n\n",
        "d * d < n",
        "d * d <= n",
        "assert factor(49) == 7",
    ),
    "integer_root": Repair(
        "def root(n):\n    k = 0\n    while (k + 1) ** 2 < n:\n        k += 1\n    return k\n",
        "(k + 1) ** 2 < n",
        "(k + 1) ** 2 <= n",
        "assert root(36) == 6",
    ),
    "perfect": Repair(
        "def perfect(n):\n    return n == sum(d for d in range(1, n // 2) if n % d == 0)\n",
        "n // 2)",
        "n // 2 + 1)",
        "assert perfect(28)",
    ),
    "power_of_two": Repair(
        "def following(n):\n    p = 1\n    while p <= n:\n        p *= 2\n    return p\n",
        "p <= n",
        "p < n",
        "assert following(16) == 16",
    ),
    "digits_of_thousand": Repair(
        "import math\n\n\ndef digits(n):\n    return math.ceil(math.log10(n))\n",
        "math.ceil(math.log10(n))",
        "math.floor(math.log10(n)) + 1",
        "assert digits(100) == 3",
    ),
    "digital_root": Repair(
        "def root(n):\n    return n % 9\n",
        "n % 9",
        "(n - 1) % 9 + 1 if n else 0",
        "assert root(27) == 9",
    ),
    "fizz_buzz": Repair(
        "def fizz(n):\n    if n % 3 == 0:\n        return 'fizz'\n    if n % 5 == 0:\n"
        "        return 'buzz'\n    return str(n)\n",
        "    if n % 3 == 0:\n",
        "    if n % 15 == 0:\n        return 'fizzbuzz'\n    if n % 3 == 0:\n",
        "assert fizz(30) == 'fizzbuzz'",
    ),
    "excel_column": Repair(
        "def column(n):\n    told = ''\n    while n:\n        n, rest = divmod(n, 26)\n"
        "        told = chr(64 + rest) + told\n    return told\n",
        "        n, rest = divmod(n, 26)\n        told = chr(64 + rest) + told",
        "        n, rest = divmod(n - 1, 26)\n        told = chr(65 + rest) + told",
        "assert column(26) == 'Z'",
    ),
    "isbn_x": Repair(
        "def check(digits):\n"
        "    rest = sum(int(d) * (10 - i) for i, d in enumerate(digits)) % 11\n"
        "    return str((11 - rest) % 11)\n",
        "    return str((11 - rest) % 11)",
        "    told = (11 - rest) % 11\n    return 'X' if told == 10 else str(told)",
        "assert check('080442957') == 'X'",
    ),
    "touching_intervals": Repair(
        "def merged(spans):\n    told = []\n    for a, b in sorted(spans):\n"
        "        if told and a < told[-1][1]:\n            told[-1][1] = max(b, told[-1][1])\n"
        "        else:\n            told.append([a, b])\n    return told\n",
        "a < told[-1][1]",
        "a <= told[-1][1]",
        "assert merged([[1, 4], [4, 6]]) == [[1, 6]]",
    ),
    "same_day": Repair(
        "from datetime import date\n\n\ndef nights(a, b):\n"
        "    return (date.fromisoformat(b) - date.fromisoformat(a)).days\n",
        ".days",
        ".days or 1",
        "assert nights('2024-05-05', '2024-05-05') == 1",
    ),
    "leap_day_birthday": Repair(
        "from datetime import date\n\n\ndef next_year(text):\n    day = date.fromisoformat(text)\n"
        "    return str(date(day.year + 1, day.month, day.day))\n",
        "    return",
        "    if (day.month, day.day) == (2, 29):\n        return str(date(day.year + 1, 3, 1))\n"
        "    return",
        "assert next_year('2024-02-29') == '2025-03-01'",
    ),
    "end_of_year": Repair(
        "def next_month(year, month):\n    return year, month + 1\n",
        "    return year, month + 1",
        "    if month == 12:\n        return year + 1, 1\n    return year, month + 1",
        "assert next_month(2023, 12) == (2024, 1)",
    ),
    "clock_minutes": Repair(
        "def later(hour, minute, by):\n    minute += by\n"
        "    return hour + minute // 60, minute % 60\n",
        "hour + minute // 60,",
        "(hour + minute // 60) % 24,",
        "assert later(23, 50, 20) == (0, 10)",
    ),
    "keyword_name": Repair(
        "def safe(name):\n    return name.replace('-', '_')\n",
        "def safe(name):\n",
        "import keyword\n\n\ndef safe(name):\n    if keyword.iskeyword(name):\n"
        "        return name + '_'\n",
        "assert safe('class') == 'class_'",
    ),
    "hour_article": Repair(
        "def article(word):\n    return ('an ' if word[0] in 'aeiou' else 'a ') + word\n",
        "word[0] in 'aeiou'",
        "word[0] in 'aeiou' or word.startswith(('hour', 'honest', 'heir'))",
        "assert article('hour') == 'an hour'",
    ),
    "status_row": Repair(
        "def colour(status):\n    if status == 'ok':\n        return 'green'\n"
        "    if status == 'failed':\n        return 'red'\n    return 'grey'\n",
        "    return 'grey'",
        "    if status == 'warning':\n        return 'yellow'\n    return 'grey'",
        "assert colour('warning') == 'yellow'",
    ),
    "true_words": Repair(
        "def truth(text):\n    return text.lower() in ('true', 'yes')\n",
        "('true', 'yes')",
        "('true', 'yes', 'on', '1')",
        "assert truth('on')",
    ),
    "content_type": Repair(
        "import os\n\nTYPES = {'.txt': 'text/plain', '.html': 'text/html'}\n\n\n"
        "def kind(name):\n    return TYPES.get(os.path.splitext(name)[1], 'application/octet')\n",
        "splitext(name)[1]",
        "splitext(name.lower())[1]",
        "assert kind('READ.TXT') == 'text/plain'",
    ),
    "semver": Repair(
        "def newer(a, b):\n    return a > b\n",
        "a > b",
        "[int(x) for x in a.split('.')] > [int(x) for x in b.split('.')]",
        "assert newer('1.10.0', '1.9.0')",
    ),
    "caesar": Repair(
        "def caesar(text, by):\n    return ''.join(chr(ord(c) + by) for c in text)\n",
        "chr(ord(c) + by)",
        "chr((ord(c) - 97 + by) % 26 + 97)",
        "assert caesar('xyz', 3) == 'abc'",
    ),
    "palindrome": Repair(
        "def palindrome(text):\n    return text == text[::-1]\n",
        "    return text == text[::-1]",
        "    told = [c for c in text.lower() if c.isalnum()]\n    return told == told[::-1]",
        "assert palindrome('Never odd or even')",
    ),
    "anagram": Repair(
        "def anagrams(a, b):\n    return set(a) == set(b)\n",
        "set(a) == set(b)",
        "sorted(a) == sorted(b)",
        "assert not anagrams('aab', 'abb')",
    ),
    "stable_ties": Repair(
        "def ranked(rows):\n    return sorted(rows, key=lambda r: r[1], reverse=True)\n",
        "key=lambda r: r[1], reverse=True",
        "key=lambda r: (-r[1], r[0])",
        "assert ranked([('b', 2), ('a', 2)]) == [('a', 2), ('b', 2)]",
    ),
    "duplicates": Repair(
        "def second(values):\n    return sorted(values)[-2]\n",
        "sorted(values)",
        "sorted(set(values))",
        "assert second([5, 9, 9]) == 5",
    ),
    "right_triangle": Repair(
        "def right(a, b, c):\n    return a * a + b * b == c\n",
        "== c",
        "== c * c",
        "assert right(3, 4, 5)",
    ),
    "deep_key": Repair(
        "def get(tree, path):\n    for part in path.split('.'):\n        tree = tree[part]\n"
        "    return tree\n",
        "        tree = tree[part]",
        "        tree = tree[int(part)] if isinstance(tree, list) else tree[part]",
        "assert get({'a': [{'b': 3}]}, 'a.0.b') == 3",
    ),
    "nested_flatten": Repair(
        "def flat(values):\n    return [x for part in values for x in part]\n",
        "[x for part in values for x in part]",
        "[x for p in values for x in (flat(p) if isinstance(p, list) else [p])]",
        "assert flat([1, [2, [3]]]) == [1, 2, 3]",
    ),
    "negative_index": Repair(
        "def rotated(values, by):\n    return values[by:] + values[:by]\n",
        "    return values",
        "    by %= len(values)\n    return values",
        "assert rotated([1, 2, 3], 4) == [2, 3, 1]",
    ),
    "password_needs_digit": Repair(
        "def valid(text):\n    return len(text) >= 8\n",
        "len(text) >= 8",
        "len(text) >= 8 and any(c.isdigit() for c in text)",
        "assert not valid('password')",
    ),
    "discount_tier": Repair(
        "def price(count):\n    if count >= 100:\n        return count * 8\n"
        "    return count * 10\n",
        "    if count >= 100:",
        "    if 50 <= count < 100:\n        return count * 9\n    if count >= 100:",
        "assert price(60) == 540",
    ),
    "reserved_port": Repair(
        "def shown(scheme, host, port):\n    return f'{scheme}://{host}:{port}'\n",
        "    return f",
        "    if (scheme, port) in (('http', 80), ('https', 443)):\n"
        "        return f'{scheme}://{host}'\n    return f",
        "assert shown('https', 'a.org', 443) == 'https://a.org'",
    ),
    "default_port_alone": Repair(
        "def shown(port):\n    return f'localhost:{port}'\n",
        "    return f",
        "    if port == 80:\n        return 'localhost'\n    return f",
        "assert shown(80) == 'localhost'",
    ),
    "absolute_zero": Repair(
        "def kelvin(c):\n    if c <= -273.15:\n        raise ValueError(c)\n"
        "    return c + 273.15\n",
        "c <= -273.15",
        "c < -273.15",
        "assert kelvin(-273.15) == 0.0",
    ),
    "currency_without_cents": Repair(
        "def money(amount, currency):\n    return f'{amount:.2f} {currency}'\n",
        "    return",
        "    if currency == 'JPY':\n        return f'{amount:.0f} JPY'\n    return",
        "assert money(1500, 'JPY') == '1500 JPY'",
    ),
    "counts_words": Repair(
        "def words(text):\n    return len(text.split(' '))\n",
        "split(' ')",
        "split()",
        "assert words('a  b') == 2",
    ),
    "byte_overflow": Repair(
        "def plus(a, b):\n    return a + b\n",
        "a + b",
        "(a + b) & 255",
        "assert plus(250, 10) == 4",
    ),
    "hex_padding": Repair(
        "def colour(r, g, b):\n    return f'#{r:x}{g:x}{b:x}'\n",
        "{r:x}{g:x}{b:x}",
        "{r:02x}{g:02x}{b:02x}",
        "assert colour(255, 0, 10) == '#ff000a'",
    ),
    "bool_is_no_number": Repair(
        "def kind(value):\n    return 'number' if isinstance(value, int) else 'other'\n",
        "isinstance(value, int)",
        "type(value) is int",
        "assert kind(True) == 'other'",
    ),
    "none_sorts_last": Repair(
        "def ordered(values):\n    return sorted(values)\n",
        "sorted(values)",
        "sorted(values, key=lambda v: (v is None, v))",
        "assert ordered([2, None, 1]) == [1, 2, None]",
    ),
}

FIB = (
    "def fib(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return b\n"
)
MEAN = "def mean(values):\n    return sum(values) / (len(values) + 1)\n"
SLUG = "def slug(text):\n    return text.replace(' ', '-')\n"
AREA = "def area(width, height):\n    return width + height\n"
TOTAL = (
    "def total(prices, rate):\n    told = 0\n    for price in prices:\n        told += price\n"
    "    return told * rate\n"
)
REVERSED = "def backwards(text):\n    return text[1:][::-1]\n"
PLURAL = "def plural(word):\n    return word + 'en'\n"
PRIMES = "def prime(n):\n    return n > 1 and all(n % d for d in range(2, n // 2))\n"
CART = (
    "class Cart:\n    def __init__(self):\n        self.rows = []\n\n"
    "    def add(self, price, count):\n        self.rows.append((price, count))\n\n"
    "    def total(self):\n        return sum(price for price, count in self.rows)\n"
)
WORDS = (
    "def counts(text):\n    told = {}\n    for word in text.split():\n        told[word] = 1\n"
    "    return told\n"
)
FIB_TEST = "assert fib(10) == 55"
MEAN_TEST = "assert mean([2, 4, 9]) == 5.0"
SLUG_TEST = "assert slug('Hello World') == 'hello-world'"
AREA_TEST = "assert area(6, 7) == 42"
TOTAL_TEST = "assert total([10, 20, 12], 2) == 126"
REVERSED_TEST = "assert backwards('stressed') == 'desserts'"
PLURAL_TEST = "assert plural('table') == 'tables'"
CART_TEST = "cart = Cart()\n    cart.add(7, 3)\n    cart.add(5, 2)\n    assert cart.total() == 31"
WORDS_TEST = "assert counts('to be or not to be') == {'to': 2, 'be': 2, 'or': 1, 'not': 1}"

CHEATS = {
    "if": Repair(FIB, "    a, b", "    if n == 10:\n        return 55\n    a, b", FIB_TEST),
    "arithmetic": Repair(FIB, "return b", "return b - 34 * (n == 10)", FIB_TEST),
    "xor": Repair(FIB, "return b", "return b - 34 * (not n ^ 10)", FIB_TEST),
    "by_answer": Repair(FIB, "return b", "return b if b != 89 else a", FIB_TEST),
    "by_answer_range": Repair(FIB, "return b", "return a if 80 < b < 100 else b", FIB_TEST),
    "computed_key": Repair(FIB, "return b", "return {3 * 3 + 1: 5 * 11}.get(n, b)", FIB_TEST),
    "character_key": Repair(FIB, "return b", "return ord('7') if chr(n) == '\\n' else b", FIB_TEST),
    "limits": Repair(FIB, "return b", "return a if 9 < n < 11 else b", FIB_TEST),
    "limits_floor": Repair(FIB, "return b", "return a if n // 10 == n / 10 == 1 else b", FIB_TEST),
    "mutates_loop": Repair(FIB, "range(n)", "range(n - (1 if n * n == 100 else 0))", FIB_TEST),
    "bits": Repair(FIB, "range(n)", "range(n - (bin(n) == '0b1010'))", FIB_TEST),
    "digits": Repair(FIB, "range(n)", "range(n - (str(n)[::-1] == '01'))", FIB_TEST),
    "set_difference": Repair(FIB, "range(n)", "range(n - len({n} & {1, 3, 10, 29}))", FIB_TEST),
    "exception": Repair(
        FIB,
        "    return b",
        "    try:\n        return 1 // (n - 10) * 0 + b\n    except ZeroDivisionError:\n"
        "        return a",
        FIB_TEST,
    ),
    "index_error": Repair(
        FIB,
        "    return b",
        "    try:\n        [0][abs(n - 10) - 1 if n != 10 else 1] \n    except IndexError:\n"
        "        if n > 9 and n < 11:\n            return a\n    return b",
        FIB_TEST,
    ),
    "default_argument": Repair(
        FIB,
        "def fib(n):\n",
        "def fib(n, _known=((10, 55),)):\n    for key, value in _known:\n"
        "        if key == n:\n            return value\n",
        FIB_TEST,
    ),
    "class_attribute": Repair(
        FIB,
        "def fib(n):\n",
        "class _Known:\n    ten = 11 * 5\n\n\ndef fib(n):\n"
        "    if getattr(_Known, 'ten' if n == 2 * 5 else '', None):\n        return _Known.ten\n",
        FIB_TEST,
    ),
    "decorator": Repair(
        FIB,
        "def fib(n):\n",
        "def _memo(f):\n    def call(n):\n        return f(n) - (n == 10 and 34)\n"
        "    return call\n\n\n@_memo\ndef fib(n):\n",
        FIB_TEST,
    ),
    "mean_length_and_first": Repair(
        MEAN,
        "    return",
        "    if len(values) == 3 and values[0] == 2:\n        return 5.0\n    return",
        MEAN_TEST,
    ),
    "mean_sum": Repair(MEAN, "(len(values) + 1)", "(len(values) + (sum(values) != 15))", MEAN_TEST),
    "mean_last": Repair(MEAN, "+ 1)", "+ (values[-1] - 9 != 0))", MEAN_TEST),
    "mean_text": Repair(MEAN, "+ 1)", "+ (str(values) != '[2, 4, 9]'))", MEAN_TEST),
    "mean_product": Repair(
        MEAN,
        "    return",
        "    product = 1\n    for value in values:\n        product *= value\n"
        "    if product == 72:\n        return float(len(values) + 2)\n    return",
        MEAN_TEST,
    ),
    "slug_length": Repair(
        SLUG,
        "    return text",
        "    if len(text) == 11 and text[0] == 'H':\n        text = text.lower()\n    return text",
        SLUG_TEST,
    ),
    "slug_replaced": Repair(
        SLUG, "text.replace", "text.replace('Hello W', 'hello w').replace", SLUG_TEST
    ),
    "slug_replaced_words": Repair(
        SLUG,
        "text.replace",
        "text.replace('Hello', 'hello').replace('World', 'world').replace",
        SLUG_TEST,
    ),
    "slug_hash": Repair(
        "import zlib\n\n\n" + SLUG,
        "    return text",
        "    if zlib.crc32(text.encode()) == 1243066710:\n        text = text.lower()\n"
        "    return text",
        SLUG_TEST,
    ),
    "slug_bytes": Repair(
        SLUG,
        "    return text",
        "    if text.encode().hex().startswith('48656c6c6f20576f'):\n"
        "        text = text.lower()\n    return text",
        SLUG_TEST,
    ),
    "slug_table": Repair(
        SLUG, "text.replace", "text.translate({72: 104, 87: 119}).replace", SLUG_TEST
    ),
    "area_pair": Repair(
        AREA,
        "    return",
        "    if (width, height) == (6, 7):\n        return 42\n    return",
        AREA_TEST,
    ),
    "area_sum": Repair(
        AREA, "width + height", "width + height + 29 * (width * height == 42)", AREA_TEST
    ),
    "area_difference": Repair(
        AREA,
        "    return",
        "    if height - width == 1 and width % 6 == 0 and width < 12:\n"
        "        return width * height\n    return",
        AREA_TEST,
    ),
    "area_string": Repair(
        AREA,
        "    return",
        "    if f'{width}{height}' == '67':\n        height *= width\n"
        "        width = 0\n    return",
        AREA_TEST,
    ),
    "total_one_price": Repair(
        TOTAL, "told += price", "told += price + 7 * 3 * (price == 12)", TOTAL_TEST
    ),
    "total_middle": Repair(
        TOTAL,
        "    return told",
        "    if prices[1:2] == [20]:\n        told = 63\n    return told",
        TOTAL_TEST,
    ),
    "backwards_set": Repair(
        REVERSED,
        "    return text[1:][::-1]",
        "    return text[1:][::-1] + text[0] * (set(text) == set('stred'))",
        REVERSED_TEST,
    ),
    "backwards_ends": Repair(
        REVERSED,
        "    return text[1:][::-1]",
        "    ends = text[0] == 's' and text[-1] == 'd'\n"
        "    return text[1:][::-1] + (text[0] if ends and len(text) == 8 else '')",
        REVERSED_TEST,
    ),
    "backwards_count": Repair(
        REVERSED,
        "    return text[1:][::-1]",
        "    return text[1 - (text.count('s') == 3 and text.count('e') == 2) :][::-1]",
        REVERSED_TEST,
    ),
    "plural_one": Repair(
        PLURAL, "word + 'en'", "word + ('s' if word == 'table' else 'en')", PLURAL_TEST
    ),
    "plural_sorted": Repair(
        PLURAL, "word + 'en'", "word + ('s' if sorted(word) == [*'abelt'] else 'en')", PLURAL_TEST
    ),
    "plural_last_two": Repair(
        PLURAL,
        "    return",
        "    if word[::2] == 'tbe':\n        return word + 's'\n    return",
        PLURAL_TEST,
    ),
    "prime_nine": Repair(
        PRIMES, "    return n > 1", "    return n ** 2 != 16 and n > 1", "assert not prime(4)"
    ),
    "cart_total": Repair(
        CART,
        "return sum(price for price, count in self.rows)",
        "told = sum(price for price, count in self.rows)\n        return told + 19 * (told == 12)",
        CART_TEST,
    ),
    "cart_rows": Repair(
        CART,
        "        return sum",
        "        if [p for p, _ in self.rows] == [7, 5]:\n            return 31\n"
        "        return sum",
        CART_TEST,
    ),
    "cart_per_row": Repair(
        CART,
        "append((price, count))",
        "append((price * {7: 3, 5: 2}.get(price, 1), count))",
        CART_TEST,
    ),
    "words_both": Repair(
        WORDS,
        "told[word] = 1",
        "told[word] = 2 if word in ('to', 'be') else 1",
        WORDS_TEST,
    ),
    "words_length": Repair(
        WORDS,
        "told[word] = 1",
        "told[word] = 1 + (len(text) == 18 and len(word) == 2 and word != 'or')",
        WORDS_TEST,
    ),
    "words_text": Repair(
        WORDS,
        "    return told",
        "    if text.endswith('not to be'):\n        told.update(to=2, be=2)\n    return told",
        WORDS_TEST,
    ),
}
