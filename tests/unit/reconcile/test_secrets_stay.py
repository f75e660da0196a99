"""Nothing that dockcfgd shows, logs or answers holds a secret, whatever happens to it."""

from __future__ import annotations

import json
import tempfile
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockcfgd.api.service import property_values
from dockcfgd.chronicle import read_generation, read_history, read_side
from dockcfgd.cli import generation_text, plan_text, text
from dockcfgd.cli.changes import changed_lines, changes
from dockcfgd.engine_keys.secrets import MASK
from dockcfgd.history import last_status
from dockcfgd.log import configure
from dockcfgd.model.status import FindingView, Phase, Status, Verdict
from dockcfgd.reconcile.requests import Apply, PlanRequest, Request, Rollback
from dockcfgd.scrub import Scrubber
from tests.crash.lives import Lives
from tests.fakes.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_SAFE = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-_~!"
SECRETS = st.text(_SAFE, min_size=8, max_size=24).map(lambda word: f"Qx{word}")
OUTCOMES = st.sampled_from(["applied", "rolled back", "not validated", "no restart"])

WANTED = """\
[engine]
log-driver = "splunk"
log-opts = {{ splunk-token = "{0}1", splunk-url = "https://me:{0}2@splunk:8088" }}
proxies = {{ http-proxy = "http://me:{0}3@proxy:3128", https-proxy = "http://{0}4@proxy:3128" }}
labels = ["API_TOKEN={0}5"]
runtimes.crun = {{ path = "/usr/bin/crun", runtimeArgs = ["--password={0}6", "--token", "{0}7"] }}
[service]
environment = {{ HTTP_PROXY = "http://me:{0}8@proxy:3128", MY_SECRET = "{0}9 and more" }}
[service.unit.Service]
SetCredential = "name:{0}a"
[verify]
settle = "0s"
"""
FOREIGN = """\
{{"default-network-opts": {{"bridge": {{"some.api-key": "{0}b"}}}},
"registry-mirrors": ["https://me:{0}c@mirror"]}}
"""
REFUSED = """\
[engine]
registry-mirrors = ["https://me:{0}d@mirror"]
log-drivers = "splunk"
[engine-extra]
password = "{0}e"
"""
DEFAULTS = 'DOCKER_OPTS="--dns-search TOKEN={0}f"\nHTTPS_PROXY=http://me:{0}g@proxy\n'


class Shown:
    """A dockcfgd on a simulated host, and all that ever came out of it."""

    def __init__(self, folder: Path, secret: str) -> None:
        self.secret = secret
        self.host = FakeHost(daemon_json=FOREIGN.format(secret))
        self.host.files.put("/etc/default/docker", DEFAULTS.format(secret))
        self.host.files.put("/usr/bin/crun", b"\x7fELF", mode=0o755)
        self.lives = Lives(folder, self.host)
        self.answers: list[str] = []

    def quote_everything(self, *, what: str) -> None:
        """Let the engine end with all of its configuration in its last line."""

        def reason(config: Mapping[str, object]) -> str | None:
            told = " ".join(map(str, _leaves(config)))
            return f"bad: {config} {told} {self.secret}9 and more" if what in config else None

        self.host.refuse_start(reason)

    def live(self, *requests: Request) -> None:
        self.lives.live(*requests)

    def ask(self, *files: tuple[str, str]) -> None:
        self.live(
            PlanRequest(files, self.answers.append, self.answers.append), Apply(transaction="last")
        )

    def everything(self) -> Iterator[str]:
        for status in self.lives.told:
            document = status.document()
            yield json.dumps(document)
            yield text.render(document, width=200, height=200)
            yield json.dumps(property_values(status))
        for answer in self.answers:
            yield answer
            yield plan_text.render(json.loads(answer), width=200)
        path = self.lives.settings.state_file
        history = read_history(path)
        yield json.dumps(history)
        for number in (one["generation"] for one in history):
            document = read_generation(path, number)
            yield json.dumps(document)
            yield "\n".join(generation_text.lines(document))
        kept = [one["generation"] for one in history if one["verdict"] == "applied"]
        for first, second in product(kept, kept):
            document = changes(read_side(path, first), read_side(path, second))
            yield json.dumps(document)
            yield "\n".join(changed_lines(document))
        yield json.dumps(last_status(path))


def _leaves(value: object) -> Iterator[object]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _leaves(one)
    if not isinstance(value, (dict, list)):
        yield value


@pytest.fixture(autouse=True)
def _log_as_configured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@settings(
    max_examples=5,
    phases=[hypothesis.Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(SECRETS, OUTCOMES)
def test_no_secret_is_ever_shown(
    capfd: pytest.CaptureFixture[str], secret: str, outcome: str
) -> None:
    configure(Scrubber().text)
    with tempfile.TemporaryDirectory() as folder:
        shown = Shown(Path(folder), secret)
        if outcome == "rolled back":
            shown.quote_everything(what="runtimes")
        shown.lives.want(WANTED.format(secret))
        shown.ask()
        shown.live()
        changed = WANTED.format(f"{secret}-new-")
        shown.live(
            Apply(transaction="one", files=(("50.toml", f"schema = 1\n{changed}"),), comment=f"http://me:{secret}@x")
        )  # fmt: skip
        hand_edit = shown.host.files.snapshot()["/etc/docker/daemon.json"].decode()
        shown.host.files.put("/etc/docker/daemon.json", hand_edit.replace(secret, f"{secret}-edit"))
        shown.ask()
        if outcome == "not validated":
            shown.host.files.put("/etc/docker/daemon.json", f'{{"password": "{secret}", ]')
        if outcome == "no restart":
            shown.host.kill_engine()
        shown.ask(("60.toml", f"schema = 1\n{REFUSED.format(secret)}"))
        shown.lives.want(REFUSED.format(secret))
        shown.ask()
        shown.live(Rollback(transaction="two", comment=f"MY_TOKEN={secret}"))
        ends = {status.last.verdict for status in shown.lives.told if status.last}
        wanted = Verdict.ROLLED_BACK if outcome == "rolled back" else Verdict.APPLIED
        assert {wanted, Verdict.REFUSED} <= ends
        told = capfd.readouterr()
        output = [*shown.everything(), told.out, told.err]
        assert sum(map(len, output)) > 10_000
        for one in output:
            assert secret not in one, one
            assert "and more" not in one, one
        assert any(MASK in one for one in output)


def test_a_secret_that_changed_is_a_difference_that_is_seen(tmp_path: Path) -> None:
    shown = Shown(tmp_path, "Qx-secret")
    shown.lives.want(WANTED.format("Qx-secret"))
    shown.live()
    shown.lives.told.clear()
    shown.lives.want(WANTED.format("Qx-another"))
    shown.live()
    document = next(one.document() for one in shown.lives.told if one.phase is Phase.APPLYING)
    told: Any = document["drifts"]
    drifts = {drift["key"]: (drift["desired"], drift["actual"]) for drift in told}
    assert drifts["log-opts.splunk-token"] == ("*** (differs)", "***")
    assert drifts["proxies.http-proxy"] == (
        "http://***@proxy:3128 (differs)",
        "http://***@proxy:3128",
    )
    lines = [line for drift in told for line in text.difference(drift)]
    assert '+ drop-in | Environment="MY_SECRET=***" (differs)' in lines
    assert '- drop-in | Environment="MY_SECRET=***"' in lines


def test_a_key_that_is_none_may_be_a_secret() -> None:
    found = FindingView("/a.toml", 3, 'engine."http://u:p@h"', "no such key", "")
    status = Status(version="1", pid=1, since=0.0, started_ticks=0, errors=(found,))
    (shown,) = Scrubber().status(status).errors
    assert shown.key == 'engine."http://***@h"'


def test_the_log_holds_no_secret(capfd: pytest.CaptureFixture[str]) -> None:
    scrubber = Scrubber()
    scrubber.learn(["bare-secret"])
    configure(scrubber.text)
    log = structlog.get_logger()
    log.error("some.event", reason="bare-secret is wrong", url="http://u:p@h", count=3)
    try:
        raise ValueError("cannot use bare-secret")  # noqa: TRY301 -- to have a trace
    except ValueError:
        log.exception("other.event")
    told = capfd.readouterr().err
    assert "some.event reason=*** is wrong url=http://***@h count=3" in told
    assert "ValueError: cannot use ***" in told
    assert "bare-secret" not in told
