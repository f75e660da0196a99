"""What is secret, and that nothing of it is left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockcfgd.engine_keys.secrets import (
    redact_environment,
    redact_pair,
    redact_text,
    redact_texts,
    redact_value,
    secret_name,
    secret_values,
    secrets_in_text,
    spellings,
)
from dockcfgd.engine_keys.table import table

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json, KeyPath

_PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=30)


@pytest.mark.parametrize(
    "name",
    [
        *("DB_PASSWORD", "API_TOKEN", "CLIENT_SECRET", "AWS_ACCESS_KEY_ID", "PROXY_PASS", "APIKEY"),
        *("splunk-token", "logentries-token", "awslogs-credentials-endpoint", "dd-api-key"),
        *("sumo-url", "passwd"),
    ],
)
def test_knows_the_names_of_secrets(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "NO_PROXY", "LANG", "DOCKER_OPTS", "COMPASS", "gelf-address", "fluentd-address"),
        *("syslog-tls-key", "max-size", "splunk-url", "authorization-plugins"),
    ],
)
def test_takes_ordinary_names_for_none(name: str) -> None:
    assert not secret_name(name)


def test_hides_no_value_of_the_engine_s_own_keys_whole() -> None:
    for key in table().keys.values():
        assert redact_value(key.path, "/a/plain/value") == "/a/plain/value"


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        (("proxies", "http-proxy"), "http://me:pw@proxy:3128", "http://***@proxy:3128"),
        (("proxies", "https-proxy"), "me:pw@proxy:3128", "***@proxy:3128"),
        (("proxies", "https-proxy"), "http://me:p@/ w#@proxy", "http://***@proxy"),
        (("proxies", "http-proxy"), "http://proxy:3128", "http://proxy:3128"),
        (("proxies", "no-proxy"), "localhost,.example.com", "localhost,.example.com"),
        (("registry-mirrors",), ["https://a", "https://u:p@b/"], ["https://a", "https://***@b/"]),
        (("log-opts", "splunk-token"), "abc", "***"),
        (("log-opts", "splunk-token"), "", ""),
        (("log-opts",), {"splunk-token": "abc", "tag": "x"}, {"splunk-token": "***", "tag": "x"}),
        (("log-opts", "splunk-url"), "https://u:p@splunk:8088", "https://***@splunk:8088"),
        (("log-opts", "syslog-tls-key"), "/etc/ssl/key.pem", "/etc/ssl/key.pem"),
        (("tlskey",), "/etc/docker/key.pem", "/etc/docker/key.pem"),
        (("not-known-yet", "token"), 12345, "***"),
        (("not-known-yet", "token"), True, True),
        (("labels",), ["a=b", "API_TOKEN=x"], ["a=b", "API_TOKEN=***"]),
        (("debug",), True, True),
        (("mtu",), 1400, 1400),
        (
            ("runtimes", "x"),
            {"path": "/x", "runtimeArgs": ["--token", "abc", "--key=x", "--password=y"]},
            {"path": "/x", "runtimeArgs": ["--token", "***", "--key=x", "--password=***"]},
        ),
    ],
)
def test_shows_a_value_without_its_secrets(path: KeyPath, value: Json, shown: Json) -> None:
    assert redact_value(path, value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('E="HTTP_PROXY=http://u:p@h:1" A=b', 'E="HTTP_PROXY=http://***@h:1" A=b'),
        ('Environment="A_TOKEN=x y" "B=c d"', 'Environment="A_TOKEN=***" "B=c d"'),
        ('Environment="A_TOKEN=x \\" y" "B=c"', 'Environment="A_TOKEN=***" "B=c"'),
        ("Environment=DB_PASSWORD=x B=y", "Environment=DB_PASSWORD=*** B=y"),
        ("DB_PASSWORD='x y' B=y", "DB_PASSWORD='***' B=y"),
        ("http_proxy=u:p@h:1", "http_proxy=***@h:1"),
        ("--http-proxy u:p@h:1 --debug", "--http-proxy ***@h:1 --debug"),
        ("dockerd --log-opt=splunk-token=x -D", "dockerd --log-opt=splunk-token=*** -D"),
        ("dockerd --log-opt splunk-token=x -D", "dockerd --log-opt splunk-token=*** -D"),
        ("dockerd --tlskey=/etc/key.pem", "dockerd --tlskey=/etc/key.pem"),
        ('{"a": {"splunk-token": "x"}, "b": 1}', '{"a": {"splunk-token": "***"}, "b": 1}'),
        ("{'splunk-token': 'x', 'tag': 'y'}", "{'splunk-token': '***', 'tag': 'y'}"),
        ("map[splunk-token:x tag:y]", "map[splunk-token:*** tag:y]"),
        ("SetCredential=name:some secret words", "SetCredential=***"),
        ("Authorization: Basic dTpw", "Authorization: Basic ***"),
        ("`curl -u me:p http://h` exited 22", "`curl -u me:*** http://h` exited 22"),
        ("curl --user 'me:p q' --proxy-user=me:p h", "curl --user 'me:***' --proxy-user=me:*** h"),
        ("`curl -U me:p`", "`curl -U me:***`"),
        ("docker run -u 1000:1000 --user=0:0 x", "docker run -u 1000:1000 --user=0:0 x"),
        ("from https://r/busybox:1@sha256:00", "from https://r/busybox:1@sha256:00"),
        ("/etc/50-token.toml:12: engine.x", "/etc/50-token.toml:12: engine.x"),
        ("engine.log-opts.splunk-token: no such", "engine.log-opts.splunk-token: no such"),
        ("dockcfgctl apply; getty@tty1.service", "dockcfgctl apply; getty@tty1.service"),
    ],
)  # fmt: skip
def test_shows_a_text_without_what_its_form_tells(text: str, shown: str) -> None:
    assert redact_text(text) == shown


def test_finds_known_values_however_they_are_quoted() -> None:
    value = 'a"b\\c%20d'
    for told in (value, json.dumps(value), repr(value), "a%22b%5Cc%2520d", 'a"b\\c d'):
        assert not [way for way in spellings(value) if way in redact_text(f"no {told}!", [value])]


def test_leaves_ordinary_words_that_are_somebody_s_password() -> None:
    assert redact_text("root is root", ["root"]) == "root is root"


def test_a_difference_in_a_secret_stays_one() -> None:
    path = ("proxies", "http-proxy")
    one, other = redact_pair(path, "http://u:new@h", "http://u:old@h")
    assert (one, other) == ("http://***@h (differs)", "http://***@h")
    assert redact_pair(path, "http://u:p@h", "http://h") == ("http://***@h", "http://h")
    assert redact_pair(path, "http://u:p@h", "http://u:p@h") == ("http://***@h", "http://***@h")
    assert redact_pair(path, "http://u:p@h", None) == ("http://***@h", None)
    assert redact_pair(("registry-mirrors",), ["https://a:b@c"], ["https://a:d@c"]) == (
        ["https://***@c", "(differs)"],
        ["https://***@c"],
    )


def test_differences_inside_tables_are_marked_where_they_are() -> None:
    now: Json = {"log-opts": {"splunk-token": "a", "tag": "x"}, "mtu": 1400}
    then: Json = {"log-opts": {"splunk-token": "b", "tag": "x"}}
    assert redact_pair((), now, then) == (
        {"log-opts": {"splunk-token": "*** (differs)", "tag": "x"}, "mtu": 1400},
        {"log-opts": {"splunk-token": "***", "tag": "x"}},
    )  # fmt: skip


def test_lines_that_differ_in_a_secret_only_are_marked() -> None:
    now = "[Service]\nEnvironment=A_TOKEN=new\nEnvironment=B_TOKEN=same\n"
    then = "[Service]\nEnvironment=A_TOKEN=old\nEnvironment=B_TOKEN=same\n"
    assert redact_texts(now, then) == (
        "[Service]\nEnvironment=A_TOKEN=*** (differs)\nEnvironment=B_TOKEN=***\n",
        "[Service]\nEnvironment=A_TOKEN=***\nEnvironment=B_TOKEN=***\n",
    )


def test_environment_is_judged_by_name_and_by_form() -> None:
    assert redact_environment("API_TOKEN", "x") == "***"
    assert redact_environment("HTTPS_PROXY", "u:p@h:1") == "***@h:1"
    assert redact_environment("UPSTREAM", "https://u:p@h") == "https://***@h"
    assert redact_environment("LANG", "C.UTF-8") == "C.UTF-8"


def test_a_password_may_look_like_the_beginning_of_a_digest() -> None:
    said = "cannot reach https://u:p@sha256:@mirror/v2/: timeout"
    assert redact_text(said) == "cannot reach https://***@mirror/v2/: timeout"
    mirrors: Json = {"registry-mirrors": ["https://u:p@sha256:ab@mirror"]}
    assert redact_value((), mirrors) == {"registry-mirrors": ["https://***@mirror"]}
    pulled = "pulled https://reg/v2/img@sha256:0123abcd, done"
    assert redact_text(pulled) == pulled


@given(_PRINTABLE)
def test_nothing_of_a_secret_is_left_in_a_value(secret: str) -> None:
    marked = f"QX{secret}XQ"
    document: dict[str, Json] = {
        "proxies": {"http-proxy": f"http://u:{marked}@proxy", "https-proxy": f"u:{marked}@proxy"},
        "registry-mirrors": [f"https://u:{marked}@mirror"],
        "log-opts": {"splunk-token": marked, "awslogs-credentials-endpoint": f"/{marked}"},
        "some-secret": {"deep": [marked, {"deeper": marked}]},
    }
    shown = redact_value((), document)
    assert "QX" not in json.dumps(shown)
    values = secret_values((), document)
    assert marked in values
    assert marked not in redact_text(f"the engine said {marked}", values)


@given(_PRINTABLE, st.sampled_from(["proxy", "token", "json", "flag", "url"]))
def test_nothing_of_a_secret_is_left_in_a_text(secret: str, form: str) -> None:
    clean = "".join(char for char in secret if char not in "\"'<>\\") or "x"
    line = {
        "proxy": f'Environment="HTTP_PROXY=http://u:QX{clean}@proxy:1" "A=b"',
        "token": f'Environment="MY_TOKEN=QX{clean}"',
        "json": json.dumps({"log-opts": {"splunk-token": f"QX{secret}"}}),
        "flag": f"ExecStart=/usr/sbin/dockerd --log-opt splunk-token=QX{clean} -H fd://",
        "url": f"cannot reach https://u:QX{clean}@mirror/v2/: timeout",
    }[form]
    assert "QX" not in redact_text(f"first\n{line}\nlast")
    assert redact_text(f"first\n{line}\nlast").count("\n") == 2
    assert any("QX" in value for value in secrets_in_text(line))


@given(st.text(), st.text())
def test_any_two_texts_can_be_shown_side_by_side(text: str, other: str) -> None:
    shown, beside = redact_texts(text, other)
    assert shown.count("\n") == text.count("\n")
    assert beside.count("\n") == other.count("\n")
