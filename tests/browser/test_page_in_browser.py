"""The page of the service in a real browser: it reads, explains and forgets, and text never becomes markup."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn

from chartune.metrics.recalibrators import Calibration
from chartune.serving.asked import Limits
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.keys import Keys, new_key
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.testing.browser import CHROMIUM, Browser, browsing
from chartune.testing.served_runs import Served

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a headless Chromium on the PATH"),
]

HIT: Final = "<img src=x onerror=\"document.title='hit'\"><script>document.title='hit'</script>"
NOTE: Final = (
    f"Pain 😀 of the fall. {HIT}. Stable stroke. Septic of the fall. Afebrile pain of the stroke and the fall."
)
"""Its end is cut off."""


@pytest.fixture(scope="module")
def bank(served: Served) -> Any:
    """Two tasks; one is steep, and whoever named it and its labels meant harm."""
    made = bank_of(named_runs(["lora", "rslora"], served.store), served.store)
    steep = replace(
        made.tasks[1].scorer, calibration=Calibration(kind="temperature", slope=6),
        titles=tuple(f"{HIT} {name}" for name in made.tasks[1].scorer.labels),
    )  # fmt: skip
    made._tasks["rslora"] = replace(made.tasks[1], scorer=steep)
    made.load(served.runs["head only"], HIT)
    return made


@pytest.fixture(scope="module")
def address(bank: Any) -> Iterator[str]:
    yield from listening(service(bank, Limits(), Queue(bank, 100_000)))


def listening(app: Any) -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(20)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        server.should_exit = True
        thread.join(120)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as made:
        yield made


def opened(browser: Browser, address: str) -> None:
    browser.events.clear()
    browser.open(f"{address}/")
    browser.until("document.querySelectorAll('#tasks input').length == 3")


def pasted(browser: Browser, text: str) -> None:
    browser.run("for (const box of document.querySelectorAll('#tasks input')) box.checked = true")
    browser.run(
        f"document.getElementById('note').focus(); document.execCommand('insertText', false, {json.dumps(text)})"
    )
    browser.run("document.getElementById('read').click()")
    browser.until("document.querySelectorAll('article').length == 3")


def test_a_pasted_note_is_read_and_explained_and_its_words_stay_text(browser: Browser, address: str) -> None:
    opened(browser, address)
    pasted(browser, NOTE)
    lora, rslora = (f"document.querySelectorAll('article')[{number}]" for number in (1, 2))
    assert browser.run(f"{lora}.querySelector('.tile b').textContent").endswith("%")
    assert browser.run(f"{rslora}.querySelectorAll('tbody tr').length") >= 3
    assert "tokens were read" in browser.run(f"{rslora}.querySelector('.warning').textContent")
    browser.until(f"{rslora}.querySelector('.unread')")
    browser.run(f"{rslora}.querySelector('button').click()")
    browser.until(f"{rslora}.querySelector('mark')")
    assert browser.run(f"{rslora}.querySelector('.pane').textContent").count(HIT) == 1
    marks = browser.run(f"[...{rslora}.querySelectorAll('.pane mark')].map(mark => [mark.className, mark.innerText])")
    assert {name.split()[0] for name, _ in marks} <= {"up", "down"}
    assert all("the probability by" in text for _, text in marks)
    body = json.dumps({"text": NOTE, "task": "rslora", "most": 0})
    asked = f"{{method: 'POST', headers: {{'Content-Type': 'application/json'}}, body: {json.dumps(body)}}}"
    end = browser.run(f"fetch('v1/explain', {asked}).then(said => said.json()).then(said => said.read[0].end)")
    assert browser.run(f"{rslora}.querySelector('.pane .unread').textContent") == NOTE[end:]  # counted as Python does
    browser.run("for (const fold of document.querySelectorAll('details')) fold.open = true")
    assert browser.run('document.body.textContent.split("onerror").length') > 8  # in names, titles, pane and table
    must_be_harmless(browser, address)


def must_be_harmless(browser: Browser, address: str) -> None:
    """Nothing ran that was text, nothing went elsewhere, nothing is kept, and the console is empty."""
    assert browser.run("document.title") == "chartune · read a note"
    assert browser.run("document.images.length + document.scripts.length") == 1
    kept = "localStorage.length + sessionStorage.length + document.cookie.length"
    assert browser.run(f"indexedDB.databases().then(every => every.length + {kept})") == 0
    assert browser.said("Runtime.exceptionThrown") + browser.said("Runtime.consoleAPICalled") == []
    assert [said for said in browser.said("Log.entryAdded") if said["entry"]["level"] == "error"] == []
    urls = {said["request"]["url"] for said in browser.said("Network.requestWillBeSent")}
    assert {url for url in urls if not url.startswith((address, "data:"))} == set()
    assert not any("Pain" in url or "Septic" in url for url in urls)


def test_a_file_is_dropped_read_here_and_forgotten(browser: Browser, address: str) -> None:
    opened(browser, address)
    browser.run(
        "const held = new DataTransfer(), file = new File(['Pain of the f\\u00e4ll.'], 'a.txt', {type: 'text/plain'});"
        "held.items.add(file);"
        "const drop = new DragEvent('drop', {dataTransfer: held, bubbles: true, cancelable: true});"
        "document.getElementById('note').dispatchEvent(drop)"
    )
    browser.until("document.getElementById('note').value")
    assert browser.run("document.getElementById('note').value") == "Pain of the fäll."
    assert browser.run("document.getElementById('count').textContent") == "17 characters"
    assert not any(said["request"]["method"] == "POST" for said in browser.said("Network.requestWillBeSent"))
    browser.run("document.getElementById('read').click()")
    browser.until("document.querySelectorAll('article').length == 3")
    browser.run("document.getElementById('clear').click()")
    assert browser.run("document.getElementById('note').value + document.getElementById('results').textContent") == ""
    assert browser.run("memory.text + memory.points.join('')") == ""
    assert "fäll" not in browser.run("document.documentElement.outerHTML")
    must_be_harmless(browser, address)


def test_everything_has_a_name_and_a_phone_shows_it_whole(browser: Browser, address: str) -> None:
    browser.sized(400, 800)
    opened(browser, address)
    pasted(browser, NOTE)
    browser.run("document.querySelectorAll('article')[2].querySelector('button').click()")
    browser.until("document.querySelector('mark')")
    browser.run("for (const fold of document.querySelectorAll('details')) fold.open = true")
    assert browser.run("document.documentElement.scrollWidth") <= 400
    nameless = browser.run(
        "[...document.querySelectorAll('input, textarea, button, [role=region], [role=img]')]"
        ".filter(e => !e.ariaLabel && !e.labels?.length && !e.textContent.trim()).map(e => e.outerHTML.slice(0, 90))"
    )
    assert nameless == []
    assert browser.run("[...document.querySelectorAll('h1, h2, h3, h4')].map(e => +e.tagName[1])")[0] == 1
    ids = browser.run("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(set(ids)) == len(ids)


def test_what_would_become_markup_run_or_go_elsewhere_is_held_back_by_the_browser(
    browser: Browser, address: str
) -> None:  # fmt: skip
    opened(browser, address)
    for attack in ("document.body.innerHTML = '<b>x</b>'", "document.write('x')"):
        assert browser.run(f"try {{ {attack}; 'done' }} catch (error) {{ error.name }}") == "TypeError", attack
    listen = "addEventListener('securitypolicyviolation', event => held.push(event.effectiveDirective))"
    browser.run(f"window.held = []; {listen}")
    elsewhere = "fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.name)"
    assert browser.run(elsewhere) == "TypeError"
    picture = "new Promise(done => {const i = new Image(); i.onerror = () => done(1); i.src = 'http://127.0.0.1:9/x'})"
    assert browser.run(picture) == 1
    browser.run("document.body.setAttribute('style', 'color: red')")
    browser.until("held.length >= 3")
    assert set(browser.run("held")) == {"connect-src", "img-src", "style-src-attr"}


@pytest.mark.slow
def test_a_key_is_asked_for_and_held_in_memory_alone(browser: Browser, bank: Any, tmp_path: Path) -> None:
    key = new_key(tmp_path / "keys.yaml", "ward", ["lora"], ["explain"])
    for address in listening(service(bank, Limits(), Queue(bank, 100_000), Keys(tmp_path / "keys.yaml"))):
        browser.events.clear()
        browser.open(f"{address}/")
        browser.until("!document.getElementById('key-row').hidden")
        browser.run(
            f"document.getElementById('key').value = {json.dumps(key)}; document.getElementById('use-key').click()"
        )
        browser.until("document.querySelectorAll('#tasks input').length == 1")
        browser.run("document.getElementById('note').value = 'Pain. Fall.'; document.getElementById('read').click()")
        browser.until("document.querySelectorAll('article').length == 1")
        urls = str([said["request"]["url"] for said in browser.said("Network.requestWillBeSent")])
        assert key not in urls
        assert browser.run("localStorage.length + sessionStorage.length + document.cookie.length") == 0
        browser.open(f"{address}/page.css")
        browser.open(f"{address}/")
        assert browser.run("document.getElementById('key').value + memory.key") == ""


@pytest.mark.slow
def test_without_scripts_it_says_so(address: str, tmp_path: Path) -> None:
    with browsing(tmp_path / "profile") as plain:
        plain.send("Emulation.setScriptExecutionDisabled", value=True)
        plain.send("Page.navigate", url=f"{address}/")
        while not plain.said("Page.loadEventFired"):
            plain.send("Page.getLayoutMetrics")
        root = plain.send("DOM.getDocument", depth=-1)["root"]
        assert "This page needs scripts" in json.dumps(root)
