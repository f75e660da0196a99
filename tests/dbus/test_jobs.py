from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dockcfgd.adapters.bus import DISCONNECTED, TIMED_OUT, Bus
from dockcfgd.adapters.systemd import SystemdBus
from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET, JobResult, JobVerb
from tests.support.clocks import FastClock, PlainClock
from tests.support.looping import until
from tests.support.private_bus import FakeSystemd, PrivateBus

pytestmark = pytest.mark.dbus


def test_a_restart_changes_the_invocation(systemd: SystemdBus, fake: FakeSystemd) -> None:
    before = systemd.unit(DOCKER_SERVICE)
    assert systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=5) is JobResult.DONE
    after = systemd.unit(DOCKER_SERVICE)
    assert after.running
    assert after.invocation_id != before.invocation_id
    assert after.main_pid != before.main_pid
    assert fake.calls("RestartUnit") == [["RestartUnit", DOCKER_SERVICE, "replace"]]


def test_listens_before_it_acts(systemd: SystemdBus, fake: FakeSystemd) -> None:
    systemd.run_job(JobVerb.RELOAD, DOCKER_SERVICE, timeout=5)
    assert [call[0] for call in fake.calls()] == ["Subscribe", "ReloadUnit"]


def test_jobs_after_the_first_do_not_mind_that_we_listen(systemd: SystemdBus) -> None:
    verbs = (JobVerb.STOP, JobVerb.START, JobVerb.RELOAD)
    results = [systemd.run_job(verb, DOCKER_SERVICE, timeout=5) for verb in verbs]
    assert results == [JobResult.DONE] * 3


@pytest.mark.parametrize("word", [word for word in JobResult if word is not JobResult.UNKNOWN])
def test_the_result_is_systemds_word(
    systemd: SystemdBus, fake: FakeSystemd, word: JobResult
) -> None:
    fake.rules(result={"*": word.value})
    assert systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=5) is word


def test_a_word_of_a_newer_systemd_is_a_failure(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.rules(result={"*": "sublimated"})
    result = systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=5)
    assert result is JobResult.UNKNOWN
    assert not result.good


@pytest.mark.parametrize("word", ["done", "failed"])
def test_an_end_that_is_told_before_the_call_is_answered(
    systemd: SystemdBus, fake: FakeSystemd, word: str
) -> None:
    fake.rules(removed="before", result={"*": word}, start_limit=0)
    for _ in range(20):
        begin = time.monotonic()
        assert systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=5).value == word
        assert time.monotonic() - begin < 1


def test_other_jobs_and_doubled_signals_do_not_confuse(
    systemd: SystemdBus, fake: FakeSystemd
) -> None:
    fake.rules(noise=50, repeat=3)
    for verb in (JobVerb.STOP, JobVerb.START):
        assert systemd.run_job(verb, DOCKER_SERVICE, timeout=5) is JobResult.DONE


def test_the_time_of_a_job_begins_when_the_old_process_has_gone(
    systemd: SystemdBus, fake: FakeSystemd
) -> None:
    fake.rules(delay=60)
    with ThreadPoolExecutor() as threads:
        begin = time.monotonic()
        job = threads.submit(
            systemd.run_job, JobVerb.RESTART, DOCKER_SERVICE, timeout=0.5, going=20
        )
        time.sleep(1.5)
        assert not job.done()
        fake.set_unit(DOCKER_SERVICE, MainPID=0)
        assert job.result() is JobResult.TIMEOUT
        assert 2.0 <= time.monotonic() - begin < 5
    assert len(fake.calls("CancelJob")) == 1


def test_a_job_is_cancelled_at_its_deadline(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.rules(delay=60)
    begin = time.monotonic()
    assert systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=0.5) is JobResult.TIMEOUT
    assert 0.5 <= time.monotonic() - begin < 2
    ((_, number),) = fake.calls("CancelJob")
    assert int(number) > 0
    assert fake.unit(DOCKER_SERVICE)["Job"] == [0, "/"]


def test_a_job_that_has_ended_at_its_deadline_needs_no_cancelling(
    systemd: SystemdBus, fake: FakeSystemd
) -> None:
    fake.rules(removed="never")
    assert systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=0.3) is JobResult.TIMEOUT
    assert len(fake.calls("CancelJob")) == 1


@pytest.mark.parametrize(
    ("verb", "state", "result"),
    [
        (JobVerb.RESTART, "active", JobResult.DONE),
        (JobVerb.RESTART, "failed", JobResult.FAILED),
        (JobVerb.RESTART, "activating", JobResult.FAILED),
        (JobVerb.STOP, "inactive", JobResult.DONE),
        (JobVerb.STOP, "active", JobResult.FAILED),
    ],
)
def test_without_a_signal_the_unit_itself_decides(
    bus: Bus, fake: FakeSystemd, verb: JobVerb, state: str, result: JobResult
) -> None:
    fake.rules(removed="never", after={verb.value: {"ActiveState": state}})
    assert SystemdBus(bus, FastClock()).run_job(verb, DOCKER_SERVICE, timeout=200) is result
    assert not fake.calls("CancelJob")


def test_a_long_job_is_not_mistaken_for_a_lost_signal(bus: Bus, fake: FakeSystemd) -> None:
    fake.rules(delay=2)
    systemd = SystemdBus(bus, FastClock())
    assert systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=200) is JobResult.DONE


def test_the_clock_is_attended_while_a_job_runs(
    systemd: SystemdBus, fake: FakeSystemd, clock: PlainClock
) -> None:
    fake.rules(delay=2.2)
    systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=10)
    assert clock.sleeps >= 2


def test_a_refusal_says_what_and_why(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.rules(errors={"RestartUnit": "org.freedesktop.DBus.Error.AccessDenied"})
    with pytest.raises(
        SystemdFailure, match=r"^cannot restart docker\.service: RestartUnit is"
    ) as e:
        systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=5)
    assert e.value.name == "org.freedesktop.DBus.Error.AccessDenied"


def test_a_masked_unit_is_refused(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.set_unit(DOCKER_SERVICE, LoadState="masked", ActiveState="inactive")
    with pytest.raises(SystemdFailure, match="masked") as failure:
        systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=5)
    assert failure.value.name == "org.freedesktop.systemd1.UnitMasked"


def test_no_answer_is_a_failure_in_time(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.rules(mute=["RestartUnit"])
    begin = time.monotonic()
    with pytest.raises(SystemdFailure, match="no answer in time") as failure:
        systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=0.5)
    assert time.monotonic() - begin < 2
    assert failure.value.name == TIMED_OUT


def test_a_bus_that_goes_away_ends_the_wait(
    systemd: SystemdBus, fake: FakeSystemd, private_bus: PrivateBus
) -> None:
    fake.rules(delay=60)
    with ThreadPoolExecutor(1) as executor:
        job = executor.submit(systemd.run_job, JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
        until(lambda: fake.calls("RestartUnit"))
        private_bus.stop()
        with pytest.raises(SystemdFailure) as failure:
            job.result(timeout=3)
    assert failure.value.name == DISCONNECTED
    with pytest.raises(SystemdFailure) as failure:
        systemd.stopping()
    assert failure.value.name == DISCONNECTED


def test_a_job_that_ends_while_systemd_executes_itself_anew(
    systemd: SystemdBus, fake: FakeSystemd
) -> None:
    fake.rules(delay=0.3)
    with ThreadPoolExecutor(1) as executor:
        job = executor.submit(systemd.run_job, JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
        until(lambda: fake.calls("RestartUnit"))
        fake.leave()
        until(lambda: fake.unit(DOCKER_SERVICE)["Job"] == [0, "/"])
        fake.come_back()
        assert job.result(timeout=3) is JobResult.DONE


def test_a_job_that_outlives_the_old_systemd(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.rules(delay=0.6, result={"*": "dependency"})
    with ThreadPoolExecutor(1) as executor:
        job = executor.submit(systemd.run_job, JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
        until(lambda: fake.calls("RestartUnit"))
        fake.leave()
        fake.come_back()
        # Only the signal has this word, and only a new subscription brings it.
        assert job.result(timeout=4) is JobResult.DEPENDENCY


def test_a_job_replaced_behind_our_back(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.rules(delay=60)
    with ThreadPoolExecutor(1) as executor:
        job = executor.submit(systemd.run_job, JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
        until(lambda: fake.calls("RestartUnit"))
        fake.leave()
        fake.set_unit(DOCKER_SERVICE, Job=[999, "/org/freedesktop/systemd1/job/999"])
        fake.come_back()
        assert job.result(timeout=3) is JobResult.CANCELED


def test_jobs_of_two_threads_find_their_own_ends(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.rules(result={"StopUnit": "canceled"}, start_limit=0)

    def run(verb: JobVerb, unit: str) -> set[JobResult]:
        return {systemd.run_job(verb, unit, timeout=10) for _ in range(20)}

    with ThreadPoolExecutor(2) as executor:
        restarts = executor.submit(run, JobVerb.RESTART, DOCKER_SERVICE)
        stops = executor.submit(run, JobVerb.STOP, DOCKER_SOCKET)
        assert restarts.result() == {JobResult.DONE}
        assert stops.result() == {JobResult.CANCELED}


def test_a_fourth_start_within_a_minute_needs_a_reset(systemd: SystemdBus) -> None:
    def restart() -> JobResult:
        return systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=5)

    assert [restart() for _ in range(4)] == [JobResult.DONE] * 3 + [JobResult.FAILED]
    failed = systemd.unit(DOCKER_SERVICE)
    assert (failed.active_state, failed.result) == ("failed", "start-limit-hit")
    systemd.reset_failed(DOCKER_SERVICE)
    assert restart() is JobResult.DONE


def test_hooks_stand_for_the_engine(private_bus: PrivateBus, bus: Bus) -> None:
    options = ["--on-start", "echo starting; echo 4711"]
    with FakeSystemd(private_bus.address, options):
        systemd = SystemdBus(bus, PlainClock())
        assert systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=5) is JobResult.DONE
        assert systemd.unit(DOCKER_SERVICE).main_pid == 4711


def test_a_start_hook_that_fails_fails_the_unit(private_bus: PrivateBus, bus: Bus) -> None:
    with FakeSystemd(private_bus.address, ["--on-start", "exit 3"]):
        systemd = SystemdBus(bus, PlainClock())
        assert systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=5) is JobResult.FAILED
        unit = systemd.unit(DOCKER_SERVICE)
    assert (unit.active_state, unit.result, unit.exec_status) == ("failed", "exit-code", 3)
    assert not unit.running
