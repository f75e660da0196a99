from __future__ import annotations

import pytest

from dockcfgd.model.impact import Impact
from dockcfgd.model.policy import ContainersRule, OnDrift, RestartStyle, UnmanagedKeys
from tests.unit.desired.reading import refused, wanted

_POOL = "[[engine.default-address-pools]]"


def test_everything_that_may_be_said() -> None:
    desired = wanted(
        """
        schema = 1
        [engine]
        log-opts = { max-size = "10m" }
        [engine-extra]
        key-of-tomorrow = [1, { a = 1.5 }]
        [service]
        environment = { HTTPS_PROXY = "http://proxy:3128" }
        arguments = ["--metrics-addr=127.0.0.1:9323", "--label=a=b c"]
        [service.unit.Service]
        LimitNOFILE = 1048576
        Restart = "always"
        OOMScoreAdjust = -500
        Delegate = true
        ExecStartPost = ["/bin/a", "/bin/b"]
        [policy]
        max-impact = "reload"
        on-drift = "report"
        drift-max-impact = "none"
        restart = "plain"
        unmanaged-keys = "remove"
        confirm-timeout = "0s"
        maintenance-windows = []
        [verify]
        timeout = "1m 30s"
        settle = "500ms"
        containers = "none"
        commands = ['curl -fs http://127.0.0.1/']
        [backup]
        directory = "/srv/backups"
        keep = 1
        volumes = false
        [storage]
        migrate-containers = false
        keep-previous = true
        """
    )
    assert desired.engine == {
        "log-opts": {"max-size": "10m"},
        "key-of-tomorrow": [1, {"a": 1.5}],
    }
    assert desired.service.environment == {"HTTPS_PROXY": "http://proxy:3128"}
    assert desired.service.arguments == ("--metrics-addr=127.0.0.1:9323", "--label=a=b c")
    assert desired.service.unit["Service"] == {
        "LimitNOFILE": ("1048576",),
        "Restart": ("always",),
        "OOMScoreAdjust": ("-500",),
        "Delegate": ("yes",),
        "ExecStartPost": ("/bin/a", "/bin/b"),
    }
    assert desired.policy.max_impact is Impact.RELOAD
    assert desired.policy.on_drift is OnDrift.REPORT
    assert desired.policy.drift_max_impact is Impact.NONE
    assert desired.policy.restart is RestartStyle.PLAIN
    assert desired.policy.unmanaged_keys is UnmanagedKeys.REMOVE
    assert (desired.verify.timeout, desired.verify.settle) == (90.0, 0.5)
    assert desired.verify.containers is ContainersRule.NONE
    assert (desired.backup.directory, desired.backup.keep) == ("/srv/backups", 1)
    assert not desired.storage.migrate_containers


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("[engin]\n", "1: engin: no such key (did you mean engine?)"),
        ("[engine]\ndebgu = true", "2: engine.debgu: no such key (did you mean debug?)"),
        ('[policy]\nmax-impct = "none"', "2: policy.max-impct: no such key"),
        ("[verify]\nx = 1", "2: verify.x: no such key (known here: commands"),
        ("[service]\nenviroment = {}", "2: service.enviroment: no such key (did you mean env"),
        ("[service.unit.Servce]\nA = 1", "1: service.unit.Servce: no such section"),
    ],
)
def test_unknown_key_is_refused_with_the_nearest_right_one(text: str, finding: str) -> None:
    (only,) = refused(text)
    assert only.startswith(finding)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[package]\nversion = 1", "1: package"),
    ],
)
def test_what_is_still_to_come_is_refused(text: str, key: str) -> None:
    assert refused(text) == [f"{key}: not supported by this release"]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("schema = 2", "1: schema: must be 1"),
        ("schema = true", "1: schema: must be 1"),
        ("engine = 3", "1: engine: must be a table"),
        ("service = []", "1: service: must be a table"),
        ("[service.unit]\nService = 3", "2: service.unit.Service: must be a table"),
        ('[policy]\nmax-impact = "all"', "2: policy.max-impact: must be "),
        ("[policy]\nrestart = 3", '2: policy.restart: must be "bridged" or "plain"'),
        ("[verify]\nsettle = 5", '2: verify.settle: must be text such as "90s"'),
        ('[verify]\nsettle = "5"', "2: verify.settle: '5' is not a length of time"),
        ('[verify]\ntimeout = "0s"', "2: verify.timeout: must be greater than 0"),
        ('[backup]\ndirectory = "x"', "2: backup.directory: must be an absolute path"),
        ('[backup]\ndirectory = "/a/../b"', "2: backup.directory: must be an absolute path"),
        ("[backup]\nkeep = 0", "2: backup.keep: must be greater than or equal to 1"),
        ('[backup]\nkeep = "3"', "2: backup.keep: must be a whole number"),
        ("[storage]\nmigrate-containers = 1", "2: storage.migrate-containers: must be true or"),
        ('[service.environment]\n"A B" = "x"', '2: service.environment."A B": '),
        ("[service.environment]\nA = 1", "2: service.environment.A: must be text in quotes"),
        ('[service]\narguments = ["debug"]', "2: service.arguments: must be a flag"),
        ('[service.unit.Service]\nExecStart = "x"', "2: service.unit.Service.ExecStart: is put"),
        ('[service.unit.Service]\nexecStart = "x"', "2: service.unit.Service.execStart: 'execSta"),
        ('[service]\narguments = ["--"]', "2: service.arguments: must be a flag"),
        ('[service]\narguments = [\n"-D",\n"x",\n]', "4: service.arguments: must be a flag"),
        ("[policy]\nmaintenance-windows = [\n3]", "3: policy.maintenance-windows: must be text"),
        ('[service.unit.Unit]\nAfter = [\n"a",\n1.5]', "4: service.unit.Unit.After: must be text"),
        ('[service]\narguments = ["--mtu 1400"]', "2: service.arguments: must be a flag"),
        ('[service.unit.Service]\nA = "b\\nc"', "2: service.unit.Service.A: must be one line"),
        ('[service.unit.Service]\nA = "b\\\\"', "2: service.unit.Service.A: must not end in a"),
        ('[service.unit.Service]\n"A=1\\nB" = "c"', "2: service.unit.Service."),
        ("[service.unit.Service]\nA = 1.5", "2: service.unit.Service.A: must be text, a whole"),
        ("[engine-extra]\nwhen = 2024-01-01", "2: engine-extra.when: JSON has no such value"),
        ("[engine-extra]\nx = [nan]", "2: engine-extra.x: JSON has no such value"),
        (
            "[engine]\ndebug = true\n[engine-extra]\ndebug = true",
            "4: engine-extra.debug: stands in [engine] too (keep one of the two)",
        ),
        (
            "[engine.features]\ncdi = true\n[engine-extra.features]\ncdi = true",
            "4: engine-extra.features.cdi: stands in [engine] too (keep one of the two)",
        ),
        (
            "[engine]\nlog-opts = { max-size = '1m' }\n[engine-extra]\nlog-opts = 1",
            "4: engine-extra.log-opts: stands in [engine] too",
        ),
        ('[engine]\nunset = ["x"]', "2: engine.unset: no such key (unset must stand above"),
        ('[policy]\nunset = ["x"]', "2: policy.unset: no such key (unset must stand above"),
        ('unset = [\n"engine.debug",\n"engine.debgu",\n]', "3: unset: engine.debgu is no key (did"),
        ('unset = ["engin.debug"]', "1: unset: engin.debug is no key (did you mean engine?)"),
        ('unset = ["policy.restrat"]', "1: unset: policy.restrat is no key (did you mean restart"),
        (
            f"{_POOL}\nbase = '10.0.0.0/8'\nsize = 16\n{_POOL}\nbase = '10.0.0.0/16'\nsize = 8",
            "6: engine.default-address-pools.1.size: it must be from 16 to 32",
        ),
        (
            "engine.default-address-pools=[\n{ base='10.0.0.0/8', size=9 },\n{ base = 'x' },\n]",
            "3: engine.default-address-pools.1: size is missing",
        ),
        ("[engine]\nlog-opts = { max-size = 10 }", "2: engine.log-opts.max-size: it must be a "),
    ],
)
def test_one_finding_says_what_is_wrong(text: str, finding: str) -> None:
    (only,) = refused(text)
    assert only.startswith(finding)


def test_extra_keys_may_lie_in_tables_that_are_known() -> None:
    desired = wanted(
        "[engine.features]\ncdi = true\n[engine-extra.features]\nof-tomorrow = true\n"
        "[engine-extra]\nlog-opts = { x = 'y' }\n[engine.log-opts]\nmax-size = '1m'"
    )
    assert desired.engine == {
        "features": {"cdi": True, "of-tomorrow": True},
        "log-opts": {"max-size": "1m", "x": "y"},
    }


@pytest.mark.parametrize(
    "key",
    [
        "engine",
        "engine.features",
        "engine.features.cdi",
        "engine.log-opts.max-file",
        "engine.graph",
        "engine-extra.anything",
        "service.environment.HTTPS_PROXY",
        "service.unit.Service.LimitNOFILE",
        "policy",
        "policy.restart",
    ],
)
def test_what_may_be_unset_need_not_be_there(key: str) -> None:
    wanted(f'unset = ["{key}"]')


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = refused('[engine]\ndebug = 1\n[policy]\nrestart = "x"\n[verify]\nx = 1')
    assert [finding.split(":")[0] for finding in sorted(found)] == ["2", "4", "6"]


class TestDigest:
    def test_layout_does_not_count(self) -> None:
        one = wanted('[engine]\ndebug = true\ndns = ["1.1.1.1"]')
        other = wanted('# x\nengine = { dns = [ "1.1.1.1", ], debug = true } # y')
        assert one.digest == other.digest

    @pytest.mark.parametrize("text", ["[engine]\ndebug = false", "[engine]", "[backup]\nkeep = 2"])
    def test_meaning_counts(self, text: str) -> None:
        assert wanted(text).digest != wanted("[engine]\ndebug = true").digest


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1h 30m", 5400), ("2min", 120), ("1d", 86400), ("1.5s", 1.5), ("250ms", 0.25)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert wanted(f'[verify]\ntimeout = "{text}"').verify.timeout == seconds


@pytest.mark.parametrize("text", ["", " ", "s", "5 parsecs", "-5s", "5s 3", "1e3s"])
def test_what_is_no_length_of_time(text: str) -> None:
    (only,) = refused(f'[verify]\nsettle = "{text}"')
    assert "is not a length of time" in only
