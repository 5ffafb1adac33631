"""Our own rules for Python: exactly what is labelled, beside twins that only look like it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autoresearch_ci.decide.security.python_rules import scan
from autoresearch_ci.decide.security.weakness import family_of

DATA = Path("benchmarks/data/weaknesses/app")
_BLOCKS = re.split(
    r"(?m)^=== (\w+)\n", Path("tests/unit/decide/security/data/web_views.txt").read_text()
)[1:]
VIEWS = dict(zip(_BLOCKS[::2], _BLOCKS[1::2], strict=True))
"""Files of web applications, in which what is weak stands beside what only looks like it."""
FASTAPI = """\
from fastapi import FastAPI
from fastapi.responses import FileResponse

app = FastAPI()


@app.get("/file")
def file(name: str, number: int):
    print(open(f"/srv/{number}").read())
    return FileResponse(f"/srv/{name}")
"""
DJANGO = """\
from django.db import connection
from django.http import HttpResponse


def view(request, unknown):
    name = request.GET.get("name", "")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM a WHERE b = '" + name + "'")
        cursor.execute("SELECT * FROM a WHERE b = %s", [name])
    open(unknown)
    return HttpResponse("Hello " + name)
"""


def found(text: str, path: str = "app.py") -> list[tuple[str, int]]:
    kinds = ((family_of(w.cwe), w.line) for w in scan(path, text))
    return sorted((kind.name, line) for kind, line in kinds if kind)


def labels_of(text: str) -> list[tuple[str, int]]:
    return sorted(
        (kind.name, number)
        for number, line in enumerate(text.splitlines(), start=1)
        if (label := re.search(r"# weak: CWE-(\d+)", line)) and (kind := family_of(int(label[1])))
    )


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_known_whatever_they_are_called_and_whoever_they_call(name: str) -> None:
    assert found(VIEWS[name]) == labels_of(VIEWS[name])


@pytest.mark.parametrize("name", ["views.py.txt", "options.py.txt"])
def test_exactly_what_is_labelled_is_found(name: str) -> None:
    text = (DATA / name).read_text()
    labels = labels_of(text)
    built = [line for line in text.splitlines() if "query = f" in line]
    ours = [(kind, line) for kind, line in labels if text.splitlines()[line - 1] not in built]
    assert found(text) == sorted(ours)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (FASTAPI, [("path traversal", 10)]),
        (DJANGO, [("cross-site scripting", 11), ("sql injection", 8)]),
        ("from random import *\ntoken = randint(1, 9)\n", []),
        (
            "import requests as r\ns = r.Session()\ns.verify = False\n",
            [("unprotected transport", 3)],
        ),
        ("x.verify = False\n", []),
        ("request = 1\nverify = False\n", []),
    ],
)
def test_names_are_followed_to_what_was_imported(text: str, wanted: list[tuple[str, int]]) -> None:
    assert found(text) == wanted


def test_debug_in_the_settings_of_production_is_told_and_in_those_of_a_desk_is_not() -> None:
    assert found("DEBUG = True\n", "shop/settings.py")
    assert not found("DEBUG = True\n", "shop/settings/local.py")
    assert not found("DEBUG = False\n", "shop/settings.py")


def test_what_cannot_be_parsed_is_not_clean() -> None:
    with pytest.raises(SyntaxError):
        scan("a.py", "import jwt\nprint 'x'\n")


SSRF = "request forgery by the server"


def of_flask(body: str) -> str:
    head = "from flask import request\nimport requests\ndef view(cursor):\n"
    return head + "".join(f"    {line}\n" for line in body.split("\n"))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("u = request.args['u']\nu = u + '/x'\nrequests.get(u)", [(SSRF, 6)]),
        ("if (u := request.args.get('u')):\n    requests.get(u)", [(SSRF, 5)]),
        ("q = 'SELECT 1 FROM a WHERE b='\nq += request.args['b']\ncursor.execute(q)",
         [("sql injection", 6)]),
        ("requests.get(url=request.args['u'])", [(SSRF, 4)]),
        ("requests.request('GET', request.args['u'])", [(SSRF, 4)]),
        ("requests.request(request.args['method'], 'https://a.example')", []),
        ("requests.post('https://a.example', request.form)", []),
        ("n = request.args.get('n', type=int)\ncursor.execute(f'SELECT {n}')", []),
        ("n = request.args.get('n', 1, int)\ncursor.execute(f'SELECT {n}')", []),
        ("cursor.execute('SELECT %d' % request.args['n'])", []),
    ],
)  # fmt: skip
def test_words_of_a_request_are_followed_through_names_that_change(
    body: str, wanted: list[tuple[str, int]]
) -> None:
    assert found(of_flask(body)) == wanted


def test_a_page_is_one_with_a_status_beside_it_too() -> None:
    text = "from flask import Flask\napp = Flask('a')\n@app.route('/<name>')\ndef a(name):\n"
    assert found(text + "    return f'<b>{name}</b>', 200\n")
    assert not found(text + "    return '<b>', name\n")


def test_options_are_those_that_the_name_was_given_last_before_the_call() -> None:
    safe = "import requests\ndef a():\n    o = {'verify': True}\n    requests.get('u', **o)\n"
    weak = safe.replace("True", "False").replace("def a", "def b").removeprefix("import requests\n")
    assert found(safe + weak) == found(safe + weak + safe) == [("unprotected transport", 7)]


def test_what_a_function_depends_on_comes_from_no_stranger() -> None:
    text = "from fastapi import Depends, FastAPI\napp = FastAPI()\n@app.get('/')\n"
    assert not found(text + "def a(name: str = Depends(root)):\n    open(name)\n")
    assert found(text + "def a(name: str = 'x'):\n    open(name)\n")


def test_names_that_are_made_of_each_other_often_are_looked_at_once() -> None:
    wide = ["a = request.args['x']"]
    wide += [f"{new} = {' + '.join([old] * 100)}" for old, new in ("ab", "bc", "cd", "de", "ef")]
    assert not found(of_flask("\n".join([*wide, "cursor.execute(f)"])))


@pytest.mark.parametrize(
    "body",
    [
        "open(" + "h(" * 60 + "request.args['a']" + ")" * 60 + ")",
        "open(request.args" + ".query()" * 60 + ")",
        "a = request.args['a']\n" + "\n".join(f"f{n}(a)" for n in range(30)),
    ],
)
def test_functions_that_call_each_other_are_looked_at_in_bounds(body: str) -> None:
    calls = " + ".join(f"f{n}(x)" for n in range(30))
    many = "".join(f"def f{n}(x):\n    return {calls}\n" for n in range(30))
    scan("a.py", of_flask(body) + "def h(x):\n    return x\n" + many)
