"""The stories of changes that are cut off: together they have each shape that a plan can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.crash.lives import DAEMON_JSON, DROP_IN
from tests.fakes.host import FakeHost

__all__ = ["ELSEWHERE", "HERE", "STORIES", "Story", "story_named"]


@dataclass(frozen=True)
class Story:
    """A host and the desired state in force, then the one whose change is cut off.

    `containers` are running, stopped or none; `by_hand` is what somebody else does before it.
    """

    name: str
    wanted: str
    before: str = ""
    version: str = "26.1.5+dfsg1"
    on_disk: bool = False
    refuses: bool = False
    daemon_json: str = '{"debug": true, "labels": ["rack=7"]}'
    disposable: bool = False
    defaults: str = ""
    unreadable: str = ""
    bulk: int = 1
    renamable: bool = False
    containers: str = "running"
    by_hand: Callable[[FakeHost], None] = lambda _: None


HERE, ELSEWHERE = "/story/docker", "/story/elsewhere"
_FLAGS = 'DOCKER_OPTS="--log-driver=journald --shutdown-timeout=20"\n'

PLAIN = '[policy]\nrestart = "plain"'
PROXY = '[service]\nenvironment = { HTTPS_PROXY = "http://proxy:3128" }'
MANAGER = '[service.unit.Service]\nTimeoutStartSec = "2min"'
_WRITTEN = """\
# Written by dockcfgd from the desired state in /etc/dockcfgd; changes made here are undone.
[Service]
Environment=HTTPS_PROXY=http://proxy:3128
"""


def _debug_in_the_file(host: FakeHost) -> None:
    host.files.put(DAEMON_JSON, '{"debug": true}\n')


def _plugin(host: FakeHost) -> None:
    host.files.put("/etc/docker/plugins/my-plugin.spec", "tcp://127.0.0.1:9")


def _nothing_in_the_file(host: FakeHost) -> None:
    host.files.put(DAEMON_JSON, "{}\n")


def _driver_in_the_file(host: FakeHost) -> None:
    host.files.put(DAEMON_JSON, '{"log-driver": "local"}\n')


def _drop_in_that_is_not_loaded(host: FakeHost) -> None:
    host.files.put(DROP_IN, _WRITTEN)


STORIES = [
    Story("reload", "[engine]\nmax-concurrent-downloads = 5\ndebug = false"),
    Story(
        "removal",
        '[engine]\nlabels = ["rack=8"]',
        before='[engine]\nmax-concurrent-downloads = 5\nlabels = ["rack=8"]',
    ),
    Story("plain", '[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"'),
    Story(
        "plain-disposable",
        '[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"',
        disposable=True,
    ),
    Story("bridged", '[engine]\nlog-driver = "local"', disposable=True),
    Story("bridged-old", '[engine]\nlog-driver = "local"', version="20.10.24", disposable=True),
    Story("bridged-first-file", '[engine]\nlog-driver = "local"', daemon_json=""),
    Story(
        "drop-in",
        '[engine]\nlog-driver = "local"\n'
        '[service]\nenvironment = { HTTPS_PROXY = "http://proxy:3128" }',
    ),
    Story(
        "refused-start",
        '[engine]\nmetrics-addr = "127.0.0.1:9323"\n'
        '[service]\nenvironment = { HTTPS_PROXY = "http://proxy:3128" }',
        refuses=True,
    ),
    Story(
        "flags-freed",
        '[engine]\nlog-driver = "local"\nhosts = ["fd://"]',
        defaults=_FLAGS,
        disposable=True,
    ),
    Story(
        "flags-back",
        "[engine]\ndebug = true",
        before='[engine]\nlog-driver = "local"\nhosts = ["fd://"]\ndebug = true',
        defaults=_FLAGS,
    ),
    Story("last-file", "", before='[engine]\ndebug = false\nlog-driver = "local"'),
    Story(
        "migrate-and-more",
        '[engine]\nstorage-driver = "vfs"\nlog-driver = "local"\n'
        '[service]\nenvironment = { HTTPS_PROXY = "http://proxy:3128" }',
        version="28.5.2",
        on_disk=True,
    ),
    Story(
        "migrate",
        '[engine]\nstorage-driver = "vfs"',
        daemon_json='{"storage-driver": "overlay2"}',
        on_disk=True,
        disposable=True,
    ),
    Story(
        "migrate-anew",
        '[engine]\nstorage-driver = "vfs"',
        daemon_json='{"storage-driver": "overlay2"}',
        on_disk=True,
        disposable=True,
        unreadable="the files of container web are not what they are known to be",
    ),
    Story(
        "to-containerd",
        "[engine.features]\ncontainerd-snapshotter = true",
        daemon_json='{"debug": true}',
        on_disk=True,
        disposable=True,
    ),
    Story(
        "from-containerd",
        '[engine]\nstorage-driver = "overlay2"\n[engine.features]\ncontainerd-snapshotter = false',
        daemon_json='{"features": {"containerd-snapshotter": true}}',
        on_disk=True,
        disposable=True,
    ),
    Story(
        "from-containerd-anew",
        '[engine]\nstorage-driver = "overlay2"\n[engine.features]\ncontainerd-snapshotter = false',
        daemon_json='{"features": {"containerd-snapshotter": true}}',
        on_disk=True,
        disposable=True,
        unreadable="the files of container web are not what they are known to be",
    ),
    Story(
        "root-copied",
        f'[engine]\ndata-root = "{ELSEWHERE}"\nlog-driver = "local"',
        daemon_json=f'{{"data-root": "{HERE}"}}',
        on_disk=True,
        disposable=True,
    ),
    Story(
        "users-remapped",
        '[engine]\nuserns-remap = "default"',
        daemon_json=f'{{"data-root": "{HERE}"}}',
        on_disk=True,
        disposable=True,
    ),
    Story(
        "root-renamed",
        f'[engine]\ndata-root = "{ELSEWHERE}"',
        daemon_json=f'{{"data-root": "{HERE}", "live-restore": true}}',
        on_disk=True,
        disposable=True,
        renamable=True,
    ),
    Story(
        "migrate-live",
        '[engine]\nstorage-driver = "vfs"',
        daemon_json='{"storage-driver": "overlay2", "live-restore": true}',
        on_disk=True,
        disposable=True,
    ),
    # One for each shape that a plan can have (test_every_plan.py).
    Story(
        "file-alone",
        '[engine]\ngroup = "adm"',
    ),
    Story(
        "written-after-proof",
        "[engine]\nlive-restore = false",
        before='[engine]\nmax-concurrent-downloads = 5\nlabels = ["rack=8"]',
        daemon_json="",
        by_hand=_nothing_in_the_file,
    ),
    Story("engine-alone", "[engine]\ndebug = true", daemon_json="", by_hand=_debug_in_the_file),
    Story(
        "engine-alone-restarted",
        f'[engine]\nlog-driver = "local"\n{PLAIN}',
        daemon_json="",
        by_hand=_driver_in_the_file,
    ),
    Story("nothing-runs", '[engine]\nlog-driver = "local"', containers="none"),
    Story("both-nothing-runs", f'[engine]\nlog-driver = "local"\n{PROXY}', containers="none"),
    Story("both-plain", f'[engine]\nlog-driver = "local"\n{PLAIN}\n{PROXY}'),
    Story("drop-in-alone", PROXY, daemon_json=""),
    Story("drop-in-alone-plain", f"{PROXY}\n{PLAIN}"),
    Story(
        "drop-in-removed-plain",
        f"[engine]\ndebug = true\n{PLAIN}",
        before=f'[engine]\ndebug = true\n[service]\narguments = ["--mtu=1400"]\n{PLAIN}',
    ),
    Story("drop-in-not-loaded", PROXY, containers="none", by_hand=_drop_in_that_is_not_loaded),
    Story("manager-alone", f"{MANAGER}"),
    Story("manager-and-reload", f"[engine]\ndebug = false\n{MANAGER}"),
    Story(
        "last-files",
        "",
        before=f'[engine]\ndebug = false\nlog-driver = "local"\n{PROXY}',
        containers="none",
    ),
    Story(
        "flags-back-nothing-runs",
        "",
        before='[engine]\nlog-driver = "local"\nhosts = ["fd://"]',
        daemon_json='{"icc": true}',
        defaults=_FLAGS,
        containers="none",
    ),
    Story(
        "log-level",
        '[engine]\ndebug = true\nlog-level = "warn"',
        daemon_json='{"log-level": "warn"}',
    ),
    Story(
        "live-restore-stays",
        '[engine]\nlive-restore = true\nbip = "10.9.0.1/24"',
        daemon_json='{"live-restore": true}',
    ),
    Story(
        "live-restore-goes",
        '[engine]\nlive-restore = false\nlog-driver = "local"',
        daemon_json='{"live-restore": true}',
    ),
    Story("plugin-added", '[engine]\nauthorization-plugins = ["my-plugin"]', by_hand=_plugin),
    Story(
        "plugin-added-live",
        '[engine]\nauthorization-plugins = ["my-plugin"]',
        daemon_json='{"live-restore": true}',
        by_hand=_plugin,
    ),
    Story(
        "driver-of-empty-host",
        '[engine]\nstorage-driver = "vfs"',
        daemon_json="",
        on_disk=True,
        containers="none",
    ),
    Story(
        "to-containerd-nothing-runs",
        "[engine.features]\ncontainerd-snapshotter = true",
        daemon_json='{"debug": true}',
        on_disk=True,
        containers="stopped",
    ),
    Story(
        "root-copied-nothing-runs",
        f'[engine]\ndata-root = "{ELSEWHERE}"',
        daemon_json=f'{{"data-root": "{HERE}"}}',
        on_disk=True,
        containers="stopped",
    ),
    Story(
        "root-copied-live",
        f'[engine]\ndata-root = "{ELSEWHERE}"',
        daemon_json=f'{{"data-root": "{HERE}", "live-restore": true}}',
        on_disk=True,
        disposable=True,
    ),
    Story(
        "root-copied-and-more",
        f'[engine]\ndata-root = "{ELSEWHERE}"\n{PROXY}',
        daemon_json=f'{{"data-root": "{HERE}"}}',
        on_disk=True,
        disposable=True,
    ),
    Story(
        "root-renamed-plain",
        f'[engine]\ndata-root = "{ELSEWHERE}"',
        daemon_json=f'{{"data-root": "{HERE}"}}',
        on_disk=True,
        disposable=True,
        renamable=True,
    ),
    Story(
        "root-renamed-nothing-runs",
        f'[engine]\ndata-root = "{ELSEWHERE}"',
        daemon_json=f'{{"data-root": "{HERE}"}}',
        on_disk=True,
        renamable=True,
        containers="stopped",
    ),
]


def story_named(name: str) -> Story:
    """Give a story of the list."""
    return next(story for story in STORIES if story.name == name)
