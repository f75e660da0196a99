"""The claims of the key table, tried on an engine: reload, restart, living containers.

Many keys are changed at once; where a whole group fails, the keys to blame are sought.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dockcfgd.engine_keys import proof
from dockcfgd.engine_keys.key import NoDefault, Unset
from dockcfgd.engine_keys.table import bridgeable, default_value, impact, known_keys, unset_rule
from dockcfgd.model.desired import Json
from dockcfgd.model.impact import Impact
from key_engine import EngineUnderTest
from key_sight import look
from key_values import NOT_TRIED, SPARED, groups, reloadable

__all__ = [
    "Truth",
    "carried_truth",
    "not_carried_truth",
    "reload_truth",
    "restart_truth",
    "without_value",
]

Values = Mapping[str, Json]
_PLUGINS = "authorization-plugins"
_DIAGNOSTIC = "network-diagnostic-port"


@dataclass
class Truth:
    """Keys whose claim was seen to hold, those that show nothing, those that it is wrong for."""

    what: str
    proven: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    wrong: dict[str, str] = field(default_factory=dict)

    def line(self, suite: str) -> str:
        """Give the counts, and the names of what shows nothing."""
        hidden = f" ({' '.join(sorted(self.unseen))})" if self.unseen else ""
        return (
            f"{suite}: {self.what}: {len(self.proven)} keys proven,"
            f" {len(self.unseen)} not observable{hidden}, {len(self.wrong)} wrong"
        )


def without_value(engine: EngineUnderTest) -> set[str]:
    """Give the keys of this release that no group tries and no reason excuses."""
    tried = {name for _, values in groups(engine.version) for name in values}
    tried |= set(reloadable(engine.version)) | set(NOT_TRIED)
    useful = {
        key.name
        for key in known_keys(engine.version)
        if not any(fatal.window.holds(engine.version) for fatal in key.fatal)
        and not (key.ignored_from and engine.version >= key.ignored_from)
    }
    return useful - tried


def reload_truth(engine: EngineUnderTest) -> Truth:
    """Change, drop and un-set every key that is called reloadable, by reloads alone."""
    truth = Truth("reloaded")
    values = reloadable(engine.version)
    assert engine.restart({}) == ""
    defaults = _defaults(engine, values)
    early = _reloaded(engine, {}, shown=values)
    taken = _reloaded(engine, values, shown=values)
    kept = _reloaded(engine, {}, shown=values)
    unset = _reloaded(engine, defaults, shown=defaults)
    final = _reloaded(engine, {}, shown=values)
    for name in values:
        keeps = unset_rule(name, engine.version) is Unset.WRITE_DEFAULT
        if early[name] or taken[name] is False:
            truth.wrong[name] = "a reload does not take it"
        elif taken[name] is None:
            truth.unseen.add(name)
        elif kept[name] is not keeps:
            truth.wrong[name] = f"once dropped, a reload {'forgets' if keeps else 'keeps'} it"
        elif keeps and unset.get(name) is not True:
            truth.wrong[name] = "a reload does not take its default"
        elif final[name]:
            truth.wrong[name] = "its value comes back"
        else:
            truth.proven.add(name)
    return truth


def _reloaded(engine: EngineUnderTest, values: Values, *, shown: Values) -> dict[str, bool | None]:
    """Reload these values, and tell of each of `shown` whether the engine shows it."""
    event = engine.reload(values)
    # Up to 28 the event is sent just before all that it tells of is in force.
    time.sleep(0.3)
    return {name: _shows(engine, name, value, event) for name, value in shown.items()}


def _defaults(engine: EngineUnderTest, values: Values) -> dict[str, Json]:
    found: dict[str, Json] = {}
    cgroup = 1 if engine.info().get("CgroupVersion") == "1" else 2
    for name in values:
        value = default_value(name, version=engine.version, cgroup_version=cgroup)
        keeps = unset_rule(name, engine.version) is Unset.WRITE_DEFAULT
        if keeps and not isinstance(value, NoDefault):
            found[name] = value
    return found


def _shows(
    engine: EngineUnderTest, name: str, value: Json, event: Mapping[str, str] | None
) -> bool | None:
    if name == _DIAGNOSTIC:
        table = Path(f"/proc/{engine.machine.pid}/net/tcp").read_text()
        return f":{value:04X} " in table
    if name == _PLUGINS:
        return engine.asks_plugin() is bool(value)
    return engine.agrees(name, value, event)


def restart_truth(engine: EngineUnderTest, group: str, values: Values) -> Truth:
    """Change every key that is called restart-only: a reload must not show it, a restart must."""
    truth = Truth(f"restarted, {group}")
    assert engine.restart({}) == ""
    before = look(engine.machine)
    if engine.reload(values) is None:
        truth.wrong[group] = "the engine refuses the reload"
    reloaded = look(engine.machine)
    for name in values:
        # Engine 28 forgets with any reload what host-gateway stands for: nothing is seen then.
        forgotten = reloaded.get(name) == ""
        if not forgotten and _in_force(engine, name, values, before=before, now=reloaded):
            truth.wrong[name] = "a reload takes it"
    blamed = _blame(values, lambda some: engine.restart(some) == "")
    truth.wrong |= dict.fromkeys(blamed, "the engine does not start with it")
    left = {name: value for name, value in values.items() if name not in blamed}
    assert engine.restart(left) == ""
    after = look(engine.machine)
    for name in left:
        seen = _in_force(engine, name, values, before=before, now=after)
        if seen is None:
            truth.unseen.add(name)
        elif not seen:
            truth.wrong[name] = "a restart does not take it"
        elif name not in truth.wrong:
            truth.proven.add(name)
    return truth


def _in_force(
    engine: EngineUnderTest,
    name: str,
    values: Values,
    *,
    before: Mapping[str, str],
    now: Mapping[str, str],
) -> bool | None:
    said = proof.info_agrees(tuple(name.split(".")), values[name], engine.info())
    if said is None and name in now:
        return now[name] != before.get(name)
    return said


def carried_truth(engine: EngineUnderTest, group: str, values: Values) -> Truth:
    """Let containers live through a restart that changes all of these keys."""
    truth = Truth(f"carried, {group}")
    carried = {name: value for name, value in values.items() if bridgeable(name)}
    blamed = _blame(carried, lambda some: _live_through(engine, some) == "")
    for name in blamed:
        truth.wrong[name] = _live_through(engine, {name: values[name]})
    truth.proven = set(carried) - blamed
    return truth


def not_carried_truth(engine: EngineUnderTest, values: Values) -> Truth:
    """Find keys that containers could live through after all, one by one."""
    truth = Truth("not carried")
    for name, value in values.items():
        if bridgeable(name) or impact(name, engine.version) < Impact.RESTART:
            continue
        if name in SPARED:
            truth.unseen.add(name)
            continue
        why = _live_through(engine, {name: value}, name)
        if why:
            truth.proven.add(name)
        else:
            truth.wrong[name] = "containers live through it, and it is in force"
    return truth


def _live_through(engine: EngineUnderTest, values: Values, watched: str = "") -> str:
    """Restart under live-restore; say what went wrong, or that the watched key is not in force."""
    assert engine.restart({}) == ""
    before = look(engine.machine) if watched else {}
    then = engine.start_living()
    engine.reload({"live-restore": True})
    words = engine.restart({**values, "live-restore": True})
    if words:
        return f"the engine does not start: {words}"
    now = engine.living()
    if then != now:
        return f"containers were {then.text} and are {now.text}"
    if watched and not _in_force(engine, watched, values, before=before, now=look(engine.machine)):
        return "it is not in force"
    return ""


def _blame(values: Values, good: Callable[[Values], bool]) -> set[str]:
    """Find the keys that are bad by themselves; empty where all of them are good together."""
    if not values or good(values):
        return set()
    if len(values) == 1:
        return set(values)
    names = list(values)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    found = [_blame({name: values[name] for name in half}, good) for half in halves]
    return found[0] | found[1] or set(names)
