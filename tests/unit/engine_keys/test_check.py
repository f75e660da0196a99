"""What the first ring refuses, and in which words."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockcfgd.engine_keys.check import check, remarks
from dockcfgd.engine_keys.finding import Code, KeyFinding
from dockcfgd.engine_keys.sizes import read_duration, read_size
from dockcfgd.engine_keys.table import table
from dockcfgd.engine_keys.version import EngineVersion


def findings(text: str, version: str | None = "29.7.2") -> tuple[KeyFinding, ...]:
    release = None if version is None else EngineVersion.parse(version)
    return check(tomllib.loads(text), release)


def only(text: str, version: str | None = "29.7.2") -> KeyFinding:
    found = findings(text, version)
    assert len(found) == 1, found
    return found[0]


GOOD = """
storage-driver = "overlay2"
live-restore = true
log-driver = "json-file"
log-opts = { max-size = "10m", max-file = "3" }
labels = ["a=1", "b="]
hosts = ["fd://", "tcp://127.0.0.1:2376"]
registry-mirrors = ["https://mirror.example.com/v2", "http://10.0.0.1:5000"]
insecure-registries = ["reg.example.com:5000", "10.0.0.0/8", "[fd00::1]:5000", "fd00::/8"]
default-shm-size = "1.5 GiB"
shutdown-timeout = -1
default-stop-timeout = 0
log-level = "WARN"
metrics-addr = "127.0.0.1:9323"
bip = "172.26.0.1/16"
fixed-cidr = "172.26.1.0/24"
dns = ["10.0.0.1", "fd00::53"]
exec-opts = ["native.cgroupdriver=systemd"]
min-api-version = "1.44"
mtu = 1400
userland-proxy = false
default-address-pools = [{ base = "10.10.0.0/16", size = 24 }]
default-network-opts = { bridge = { "com.docker.network.driver.mtu" = "1400" } }
features = { buildkit = true, containerd-snapshotter = false }
proxies = { http-proxy = "http://user:secret@proxy:3128" }
nri-opts = { enable = true }
cdi-spec-dirs = [""]

[runtimes.crun]
path = "/usr/bin/crun"
runtimeArgs = ["--debug"]

[runtimes.typed]
runtimeType = "io.containerd.runsc.v1"
options = { TypeUrl = "io.containerd.runsc.v1.options" }

[default-ulimits.nofile]
Name = "nofile"
Soft = 1024
Hard = -1

[builder.gc]
enabled = true
defaultReservedSpace = "20GB"
policy = [{ all = true, filter = ["unused-for=2200h"], keepStorage = "10GB" }]

[builder.history]
maxAge = "48h"
maxEntries = 50
"""


def test_accepts_a_table_with_nearly_everything() -> None:
    assert findings(GOOD) == ()
    assert findings(GOOD, None) == ()


def test_accepts_nothing_at_all() -> None:
    assert findings("") == ()


UNKNOWN = [
    ('log-drivr = "x"', "cannot use engine.log-drivr: no such key", "did you mean log-driver?"),
    ("[features]\nbuildkt = true", "engine.features.buildkt: no such", "features.buildkit?"),
    ('"features.buildkit" = true', 'engine."features.buildkit": no', "mean features.buildkit?"),
    ('["builder.gc"]\nenabled = true', 'engine."builder.gc": no such', "mean builder.gc?"),
    ("[foo]\nmtu = 1400", "cannot use engine.foo: no such key", "[engine-extra]"),
    ("[runtimes.crun]\npat = 1\npath = '/x'", "engine.runtimes.crun.pat: no such", "mean path?"),
]


@pytest.mark.parametrize(("text", "message", "hint"), UNKNOWN)
def test_refuses_unknown_keys(text: str, message: str, hint: str) -> None:
    found = only(text)
    assert found.code is Code.UNKNOWN
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('host = ["fd://"]', "write hosts"),
        ('label = ["a=b"]', "write labels"),
        ('http-proxy = "http://user:secret@p"', "write proxies.http-proxy"),
        ('config-file = "/etc/docker/other.json"', "put --config-file into service.arguments"),
        ("restart = true", "leave it out"),
    ],
)
def test_refuses_names_of_flags(text: str, hint: str) -> None:
    found = only(text)
    assert found.code is Code.FLAG_SPELLING
    assert found.hint == hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('debug = "true"', "engine.debug: it must be true or false", "write true without quotes"),
        ("debug = 1", "engine.debug: it must be true or false", ""),
        ("mtu = true", "engine.mtu: it must be a whole number", ""),
        ('mtu = "1400"', "engine.mtu: it must be a whole number", "write 1400 without quotes"),
        ("mtu = 1400.0", "engine.mtu: it must be a whole number", ""),
        ("log-level = 1", "engine.log-level: it must be a string", "put it into quotes"),
        ("default-shm-size = 64", 'it must be a string such as "128M"', "put it into quotes"),
        ('labels = "a=b"', "engine.labels: it must be a list of strings", "square brackets"),
        ("dns = [1]", "engine.dns: it must be a list of strings", ""),
        ("log-opts = { max-file = 3 }", "engine.log-opts.max-file: it must be a string", "quotes"),
        ('log-opts = ["a"]', "engine.log-opts: it must be a table of strings", ""),
        ("features = true", "engine.features: it must be a table", ""),
        ('features.cdi = "true"', "engine.features.cdi: it must be true or false", "write true"),
        ('runtimes = { crun = "/x" }', "engine.runtimes.crun: it must be a table with path", ""),
        ("runtimes.x = { path = 1 }", "engine.runtimes.x.path: it must be a string", "quotes"),
        ("default-address-pools = {}", "it must be a list of tables", ""),
        ("default-address-pools = [1]", "default-address-pools.0: it must be a table", ""),
        ('default-network-opts = { bridge = "x" }', "opts.bridge: it must be a table", ""),
        ("builder.history.maxAge = 3600", 'it must be a string such as "48h"', "quotes"),
        ("data-root = 1979-05-27", "engine.data-root: it must be a string", ""),
    ],
)
def test_refuses_wrong_types(text: str, message: str, hint: str) -> None:
    found = only(text)
    assert found.code is Code.TYPE
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('default-ipc-mode = "host"', Code.CHOICE, '= "host": it must be one of shareable, pri'),
        ('log-level = "loud"', Code.CHOICE, "it must be one of panic"),
        ("network-diagnostic-port = 70000", Code.RANGE, "= 70000: the most is 65535"),
        ("mtu = -1", Code.RANGE, "= -1: the least is 0"),
        ('default-shm-size = "64X"', Code.SYNTAX, '= "64X": it must be a size'),
        ('builder.history.maxAge = "2 days"', Code.SYNTAX, "it must be a duration"),
        ('builder.gc.policy = [{ keepStorage = "x" }]', Code.SYNTAX, "policy.0.keepStorage: it"),
        ('bip = "172.26.0.1"', Code.SYNTAX, "the prefix length is missing"),
        ('bip = "docker0"', Code.SYNTAX, "it must be an address with its prefix"),
        ('fixed-cidr = "172.26.1.0"', Code.SYNTAX, "the prefix length is missing"),
        ('bip = "172.26.0.1/255.255.0.0"', Code.SYNTAX, "such as 172.26.0.1/16"),
        ('bip6 = "fe80::1%eth0/64"', Code.SYNTAX, "such as 172.26.0.1/16"),
        ('fixed-cidr = "172.26.0.0/255.255.0.0"', Code.SYNTAX, "such as 172.26.1.0/24"),
        ('fixed-cidr-v6 = "fd00::%a/64"', Code.SYNTAX, "such as 172.26.1.0/24"),
        ('insecure-registries = ["10.0.0.0/255.0.0.0"]', Code.SYNTAX, "such as 10.0.0.0/8"),
        ('fixed-cidr = "x/24"', Code.SYNTAX, "it must be a network"),
        ('dns = ["10.0.0.1", "resolver"]', Code.SYNTAX, "entry 2 of engine.dns: it must be an IP"),
        ('labels = ["a"]', Code.SYNTAX, "entry 1 of engine.labels: it must be name=value"),
        ('hosts = ["/run/docker.sock"]', Code.SYNTAX, "it must begin with unix://"),
        ('metrics-addr = "9323"', Code.SYNTAX, "it must be host:port"),
        ('metrics-addr = "127.0.0.1:99999"', Code.SYNTAX, "it must be host:port"),
        ('registry-mirrors = ["mirror.example.com"]', Code.SYNTAX, "it must begin with https://"),
        ('registry-mirrors = ["https://m/?a=b"]', Code.SYNTAX, "no query"),
        ('registry-mirrors = ["http://[x"]', Code.SYNTAX, "it must be a URL"),
        ('insecure-registries = ["https://reg"]', Code.SYNTAX, "without http://"),
        ('insecure-registries = ["10.0.0.0/99"]', Code.SYNTAX, "or a network such as 10.0.0.0/8"),
        ('insecure-registries = ["a b"]', Code.SYNTAX, "it must be host, host:port or a network"),
        ('insecure-registries = ["reg:99999"]', Code.SYNTAX, "its port must be a number up to"),
        ('insecure-registries = ["[::1]:x"]', Code.SYNTAX, "its port must be a number up to"),
        ('labels = ["com.docker.x=1"]', Code.TOGETHER, "a namespace of the engine's own"),
        ('min-api-version = "v1.44"', Code.SYNTAX, "it must be an API version"),
        ('min-api-version = "1.12"', Code.SYNTAX, "the oldest API version"),
        ('min-api-version = "1.99"', Code.SYNTAX, "newest API version of this engine is 1.55"),
        ('exec-opts = ["native.cgroupdriver=x"]', Code.CHOICE, "one of cgroupfs, systemd"),
        ('exec-opts = ["native.umask=normal"]', Code.CHOICE, "no option but native.cgroupdriver"),
        ('storage-driver = "overlay3"', Code.CHOICE, "it must be one of overlay2"),
        ('storage-driver = "aufs"', Code.REMOVED, "no longer has aufs"),
        ('log-driver = "jsonfile"', Code.CHOICE, "no such log driver"),
        ("runtimes.runc = { path = '/x' }", Code.TRAP, "the name runc is reserved"),
        ("runtimes.x = {}", Code.TYPE, "it needs path or runtimeType"),
        ("runtimes.x = { path = '/x', runtimeType = 'y' }", Code.TOGETHER, "path cannot stand"),
        (
            "runtimes.x = { runtimeType='y', runtimeArgs=['z'] }",
            Code.TOGETHER,
            "runtimeArgs cannot",
        ),
        ("default-ulimits.x = { Name='y', Soft=1, Hard=1 }", Code.TRAP, "Name is y"),
        ("default-ulimits.x = { Name='x', Soft=2, Hard=1 }", Code.RANGE, "Soft is greater"),
        ("default-ulimits.x = { Name='x', Soft=1 }", Code.TYPE, "Hard is missing"),
        (
            "default-address-pools = [{ base='10.0.0.0/255.255.0.0', size=24 }]",
            Code.SYNTAX,
            "such as 10.10.0.0/16",
        ),
        ("default-address-pools = [{ base='10.0.0.0/16', size=8 }]", Code.RANGE, "from 16 to 32"),
        (
            "default-address-pools = [{ base='10', size=8 }]",
            Code.SYNTAX,
            "0.base: it must be a net",
        ),
        ("default-address-pools = [{ size=8 }]", Code.TYPE, "base is missing"),
    ],
)
def test_refuses_wrong_values(text: str, code: Code, message: str) -> None:
    found = only(text)
    assert found.code is code
    assert message in found.message


@pytest.mark.parametrize(
    ("text", "version", "code"),
    [
        ("mtu = 0", "29.7.2", Code.ZERO),
        ("shutdown-timeout = 0", "20.10.24", Code.ZERO),
        ("max-concurrent-downloads = 0", "26.1.5", Code.ZERO),
        ("max-concurrent-downloads = 0", None, Code.ZERO),
        ('data-root = ""', "26.1.5", Code.ZERO),
        ('default-shm-size = ""', "26.1.5", Code.ZERO),
        ("hosts = []", "26.1.5", Code.ZERO),
        ("cdi-spec-dirs = []", "26.1.5", Code.ZERO),
        ("tlsverify = false", "26.1.5", Code.TRAP),
        ("seccomp-profile = 'unconfined'", "20.10.24", Code.TRAP),
        ("userland-proxy = true", "26.1.5", Code.TOGETHER),
        ('labels = ["a=1", "a=2"]', "26.1.5", Code.TOGETHER),
        ("host-gateway-ip = '10.0.0.1'\nhost-gateway-ips = ['10.0.0.1']", "28.5.2", Code.TOGETHER),
        (
            "storage-driver = 'overlay2'\nfeatures.containerd-snapshotter = true",
            "26.1.5",
            Code.TOGETHER,
        ),
        ("storage-driver = 'overlayfs'", "26.1.5", Code.TOGETHER),
        (
            "storage-driver = 'overlayfs'\nfeatures.containerd-snapshotter = false",
            "29.7.2",
            Code.TOGETHER,
        ),
        (
            "userns-remap = 'default'\nfeatures.containerd-snapshotter = true",
            "29.7.2",
            Code.TOGETHER,
        ),
    ],
)
def test_refuses_traps(text: str, version: str | None, code: Code) -> None:
    assert only(text, version).code is code


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("max-concurrent-downloads = 0", "20.10.24"),
        ("default-stop-timeout = 0", "29.7.2"),
        ("userland-proxy = true", "20.10.24"),
        ("userland-proxy = true\nuserland-proxy-path = '/usr/sbin/docker-proxy'", "29.7.2"),
        ("storage-driver = 'overlayfs'", "29.7.2"),
        ("storage-driver = 'overlayfs'\nfeatures.containerd-snapshotter = true", "26.1.5"),
        ("storage-driver = 'overlay2'\nfeatures.containerd-snapshotter = false", "29.7.2"),
        ("userns-remap = 'default'\nfeatures.containerd-snapshotter = true", "28.5.2"),
        ("labels = ['a=1', 'a=1']", "26.1.5"),
        ("storage-driver = 'aufs'", "20.10.24"),
        ("api-cors-header = ''", "28.5.2"),
        ("oom-score-adjust = 0", "25.0.3"),
        ("seccomp-profile = 'unconfined'", "23.0.0"),
        ("seccomp-profile = '/etc/docker/seccomp.json'", "20.10.24"),
    ],
)
def test_accepts_what_only_looks_like_a_trap(text: str, version: str) -> None:
    assert findings(text, version) == ()


@pytest.mark.parametrize(
    ("text", "version", "code", "message", "hint"),
    [
        ("bip6 = 'fd00::1/64'", "26.1.5", Code.TOO_NEW, "it came with engine 28.0, this one", ""),
        ("proxies.no-proxy = 'x'", "20.10.24", Code.TOO_NEW, "it came with engine 23.0", ""),
        ("features.cdi = true", "20.10.24", Code.TOO_NEW, "it came with engine 25.0", ""),
        ("builder.history.maxEntries = 1", "23.0.1", Code.TOO_NEW, "engine 24.0", ""),
        ("runtimes.x = { runtimeType = 'y' }", "20.10.24", Code.TOO_NEW, "engine 23.0", ""),
        ("graph = '/x'", "26.1.5", Code.REMOVED, "engine 24.0 removed it", "use data-root"),
        (
            "oom-score-adjust = -500",
            "26.1.5",
            Code.REMOVED,
            "engine 26.0 removed it",
            "use service.unit.Service.OOMScoreAdjust",
        ),
        ("oom-score-adjust = -500", "25.0.3", Code.FATAL, "engine 25.0.3 does not start", "use"),
        ("api-cors-header = '*'", "28.5.2", Code.FATAL, "engine 28.5.2 does not start with it", ""),
        ("graph = '/x'", "23.0.1", Code.FATAL, "does not start with it", "use data-root"),
        ("features.windows-dns-proxy = true", "26.1.5", Code.REJECTED, "the engine refuses", ""),
        (
            "allow-nondistributable-artifacts = ['x']",
            "28.5.2",
            Code.IGNORED,
            "from engine 28.1",
            "",
        ),
        ("default-init = 'x'", "28.5.2", Code.REJECTED, "the engine refuses", "use init-path"),
        (
            "containerd-plugins-namespace = 'x'",
            None,
            Code.IGNORED,
            "the engine ignores",
            "put --containerd-plugins-namespace into service.arguments",
        ),
        ("registry-mirrors = ['https://m/x']", "20.10.24", Code.SYNTAX, "before engine 25.0", ""),
    ],
)
def test_refuses_what_the_release_does_not_have(
    text: str, version: str | None, code: Code, message: str, hint: str
) -> None:
    found = only(text, version)
    assert found.code is code
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize("text", ["graph = '/x'", "bip6 = 'fd00::1/64'", "api-cors-header = '*'"])
def test_says_nothing_of_releases_when_the_release_is_unknown(text: str) -> None:
    assert findings(text, None) == ()


def test_finds_everything_at_once_in_the_order_of_the_table() -> None:
    found = findings("zebra = 1\ndebug = 'x'\nmtu = 0\nlabels = ['a=1', 'a=2']")
    assert [finding.path[0] for finding in found] == ["zebra", "debug", "mtu", "labels"]


def test_remarks_do_not_refuse() -> None:
    engine = tomllib.loads(
        "log-driver = 'grafana/loki:latest'\nhost-gateway-ip = '10.0.0.1'\n"
        "builder.gc.defaultKeepStorage = '20GB'"
    )
    release = EngineVersion(28, 5, 2)
    assert check(engine, release) == ()
    found = remarks(engine, release)
    assert [finding.code for finding in found] == [Code.CHOICE, Code.DEPRECATED, Code.DEPRECATED]
    assert found[1].hint == "use host-gateway-ips"
    assert remarks(engine, EngineVersion(26, 1, 5))[1:] == ()


@pytest.mark.parametrize(
    "text",
    [
        "proxies.http-proxy = ['http://user:hunter2@p']",
        "http-proxy = 'http://user:hunter2@p'",
        "registry-mirrors = ['https://user:hunter2@m']",
        "insecure-registries = ['user:hunter2@r']",
        "log-opts = { splunk-token = ['hunter2'] }",
        "labels = ['hunter2']",
        "data-root = ['hunter2']",
        "cluster-store = 'consul://user:hunter2@x'",
        "runtimes.x = 'hunter2'",
    ],
)
def test_shows_no_secret(text: str) -> None:
    found = findings(text, "23.0.1")
    assert found
    assert not any("hunter2" in finding.message + finding.hint for finding in found)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


# The first text drawn builds tables of characters, which takes a second.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_judges_any_value_of_any_key_without_failing(data: st.DataObject) -> None:
    names = sorted({key.path[0] for key in table().keys.values()})
    engine = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=4))
    version = data.draw(st.sampled_from([None, EngineVersion(20, 10, 24), EngineVersion(29, 7, 2)]))
    for finding in (*check(engine, version), *remarks(engine, version)):
        assert finding.path[0] in engine
        assert finding.message


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("64M", 64 << 20),
        ("64m", 64 << 20),
        ("64MB", 64 << 20),
        ("1.5 GiB", 3 << 29),
        ("67108864", 64 << 20),
        ("5b", 5),
        ("2T", 2 << 40),
    ],
)
def test_reads_sizes(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "64X", "-1M", "1,5G", "64 M B", "0x10", "٣M"])
def test_reads_no_size_from_anything_else(text: str) -> None:
    with pytest.raises(ValueError, match="as a size"):
        read_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("48h", 172800), ("1h30m", 5400), ("1.5s", 1.5), ("300ms", 0.3), ("3600", 3600), (".5m", 30)],
)
def test_reads_durations(text: str, seconds: float) -> None:
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "h", "2d", "1h 30m", "-1h"])
def test_reads_no_duration_from_anything_else(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('fixed-cidr-v6 = "10.0.0.0/16"', Code.SYNTAX, "IPv6 network"),
        ('dns-search = ["example.com", "/a"]', Code.SYNTAX, "domain name"),
        ('dns-search = ["1.2"]', Code.SYNTAX, "domain name"),
        ('userland-proxy-path = "docker-proxy"', Code.SYNTAX, "absolute path"),
        ('host-gateway-ips = ["10.0.0.1", "10.0.0.2"]', Code.RANGE, "one IPv4 and one IPv6"),
        ('host-gateway-ips = ["fd00::1", "fd00::2"]', Code.RANGE, "one IPv4 and one IPv6"),
    ],
)
def test_refuses_what_the_engine_says_of_the_file_alone(text: str, code: Code, words: str) -> None:
    found = only(text)
    assert found.code is code
    assert words in found.message


def test_accepts_what_the_engine_accepts_in_those_places() -> None:
    engine = """
    fixed-cidr-v6 = "fd00:b::/64"
    dns-search = [".", "example.com.", "a-1.b"]
    userland-proxy-path = "/usr/sbin/docker-proxy"
    host-gateway-ips = ["10.0.0.1", "fd00::1"]
    """
    assert findings(engine) == ()
