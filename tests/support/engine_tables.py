"""`[engine]` tables that dockcfgd accepts, for property tests, and some that it refuses.

    @given(accepted(EngineVersion(26, 1)))

Values come from the key table: type, enum, range and form of each key that the release reads.
What cannot stand together is mended, not thrown away, so that every draw is of use.
"""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from dockcfgd.engine_keys.check import check
from dockcfgd.engine_keys.engines import api_range, storage_drivers
from dockcfgd.engine_keys.key import Key, NoDefault, Shape
from dockcfgd.engine_keys.table import known_keys, leaf, table
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import Json
from dockcfgd.planning import leaves

__all__ = ["accepted", "ignored_by_engine", "value_of"]

Values = st.SearchStrategy[Json]

_MOST_KEYS = 25
_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=12)
_NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
_PATHS = st.builds(lambda parts: "/" + "/".join(parts), st.lists(_NAMES, min_size=1, max_size=3))
_FOUR = st.ip_addresses(v=4).map(str)
_NETWORKS = st.builds(
    lambda number, length: f"10.{number}.0.0/{length}",
    _N := st.integers(0, 255),
    st.integers(16, 24),
)
_HOSTS = st.builds(lambda name: f"{name}.example.com", _NAMES)
_SIZES = st.builds(
    lambda number, unit: f"{number}{unit}",
    st.integers(1, 999),
    st.sampled_from(["", "b", "k", "kb", "M", "MB", "g", "GB"]),
)
_DURATIONS = st.builds(
    lambda number, unit: f"{number}{unit}",
    st.integers(1, 99),
    st.sampled_from(["s", "m", "h", "h30m"]),
)
_BY_FORM: Mapping[str, st.SearchStrategy[str]] = {
    "assignment": st.builds(lambda name, value: f"{name}={value}", _NAMES, _NAMES),
    "domain": _HOSTS,
    "duration": _DURATIONS,
    "host": st.sampled_from(["fd://", "unix:///run/other.sock", "tcp://127.0.0.1:2376"]),
    "host-port": st.builds(lambda port: f"127.0.0.1:{port}", st.integers(1, 65535)),
    "interface": st.builds(lambda one, two: f"10.{one}.{two}.1/24", _N, _N),
    "ip": _FOUR | st.ip_addresses(v=6).map(str),
    "mirror": st.builds(lambda host: f"https://{host}", _HOSTS),
    "network": _NETWORKS,
    "network-v6": st.builds("fd00:{:x}::/64".format, _N),
    "registry": _HOSTS | st.builds(lambda host: f"{host}:5000", _HOSTS) | _NETWORKS,
    "size": _SIZES,
}
_RUNTIMES: Values = st.dictionaries(
    _NAMES.filter(lambda name: name != "runc"),
    st.fixed_dictionaries({"path": _PATHS}, optional={"runtimeArgs": st.lists(_NAMES, max_size=2)}),
    max_size=2,
)
_LIMITS = st.sampled_from(["nofile", "nproc", "core", "memlock"])
_ULIMITS: Values = st.lists(st.tuples(_LIMITS, st.integers(0, 9999)), max_size=3).map(
    lambda pairs: {name: {"Name": name, "Soft": soft, "Hard": soft + 1} for name, soft in pairs}
)
_POOLS: Values = st.dictionaries(_N, st.integers(16, 28), max_size=2).map(
    lambda sizes: [{"base": f"10.{at}.0.0/16", "size": size} for at, size in sizes.items()]
)
_POLICIES: Values = st.lists(
    st.fixed_dictionaries(
        {}, optional={"all": st.booleans(), "filter": st.just(["unused-for=2200h"]),
                      "keepStorage": _SIZES},
    ), max_size=2,
)  # fmt: skip
_WHOLE: Mapping[str, Values] = {
    "runtimes": _RUNTIMES,
    "default-ulimits": _ULIMITS,
    "default-address-pools": _POOLS,
    "builder.gc.policy": _POLICIES,
    "default-network-opts": st.just({"bridge": {"com.docker.network.driver.mtu": "1400"}}),
    # Any other user would have to exist; this one the engine makes.
    "userns-remap": st.sampled_from(["", "default"]),
    "exec-opts": st.sampled_from([[], ["native.cgroupdriver=cgroupfs"]]),
    "log-driver": st.sampled_from(["json-file", "local", "journald", "none", "syslog"]),
    "log-opts": st.fixed_dictionaries({}, optional={"max-size": _SIZES, "max-file": st.just("3")}),
    "seccomp-profile": st.sampled_from(["builtin", "unconfined", "/etc/docker/seccomp.json"]),
    "shutdown-timeout": st.integers(-1, 600),
    # The file has to be there.
    "userland-proxy-path": st.just("/usr/sbin/docker-proxy"),
    # The engine reads the certificate that TLS needs while it checks the file.
    "tls": st.sampled_from([False]),
    "tlsverify": st.sampled_from([False]),
    # Anything else needs a kernel with real-time groups.
    "cpu-rt-period": st.just(0),
    "cpu-rt-runtime": st.just(0),
}


@st.composite
def accepted(draw: st.DrawFn, version: EngineVersion) -> dict[str, Json]:
    """Give an `[engine]` table that dockcfgd accepts for this release."""
    keys = known_keys(version)
    size = draw(st.integers(0, _MOST_KEYS))
    every = st.sampled_from(sorted(key.name for key in keys))
    names = draw(st.lists(every, unique=True, min_size=size, max_size=size))
    engine: dict[str, Json] = {}
    for name in names:
        leaves.put(engine, tuple(name.split(".")), draw(value_of(table().keys[name], version)))
    _mend_runtime(engine)
    while findings := check(engine, version):
        for finding in findings:
            leaves.remove(engine, leaf(finding.path))
    return engine


def value_of(key: Key, version: EngineVersion) -> Values:
    """Give values of a key that are right for their own."""
    if key.name in _WHOLE:
        return _WHOLE[key.name]
    match key.shape:
        case Shape.BOOL:
            return st.booleans()
        case Shape.INT:
            return st.integers(key.minimum or 0, key.maximum or 100_000)
        case Shape.SIZE:
            return _SIZES
        case Shape.DURATION:
            return _DURATIONS
        case Shape.STRING:
            return _string(key, version)
        case Shape.STRINGS:
            return st.lists(_string(key, version), max_size=3, unique=True)
        case Shape.STRING_MAP:
            return st.dictionaries(_NAMES, _WORDS, max_size=3)
        case Shape.OBJECTS | Shape.OBJECT_MAP | Shape.MAP_MAP:
            return st.just(_example(key))


def ignored_by_engine() -> st.SearchStrategy[dict[str, Json]]:
    """Give tables that dockcfgd refuses and that engines take without doing anything with them."""
    every = table().flag_spellings.items()
    spelled = sorted(name for name, right in every if right and name != "config-file")
    inner = st.dictionaries(_NAMES, st.booleans(), min_size=1, max_size=2)
    # Names in an object that the engine does not know are looked up as if they stood outside.
    known = st.dictionaries(st.sampled_from(["debug", "live-restore", "ipv6"]), st.booleans())
    return st.one_of(
        st.builds(lambda name, value: {f"x-{name}": value}, _NAMES, known),
        st.builds(lambda value: {"features": {f"x-{name}": on for name, on in value.items()}},
                  inner),
        st.builds(lambda value: {"builder": {"gc": {f"x{name}": 1 for name in value}}}, inner),
        st.sampled_from(spelled).map(lambda name: {name: _flag_value(name)}),
    )  # fmt: skip


def _flag_value(name: str) -> Json:
    right = table().keys.get(table().flag_spellings[name])
    value = None if right is None else right.default
    return "x" if value is None or isinstance(value, NoDefault) else value


def _string(key: Key, version: EngineVersion) -> st.SearchStrategy[str]:
    if key.choices:
        return st.sampled_from(key.choices)
    if key.name == "storage-driver":
        return st.sampled_from(sorted(storage_drivers(version)))
    if key.form == "api-version":
        return st.just(api_range(version).newest)
    if key.form in _BY_FORM:
        return _BY_FORM[key.form]
    return _PATHS | _WORDS


def _example(key: Key) -> Json:
    return key.default if isinstance(key.example, NoDefault) else key.example  # type: ignore[return-value]  # one of them is a value


def _mend_runtime(engine: dict[str, Json]) -> None:
    """Let the default runtime be one that is there."""
    runtimes = engine.get("runtimes")
    named = sorted(runtimes) if isinstance(runtimes, dict) else []
    if "default-runtime" in engine:
        engine["default-runtime"] = named[0] if named else "runc"
