"""How long jobs took, as either kind of store has it."""

from __future__ import annotations

from storelab import JOB, OTHER, START, about, flight, job, put

from harness.results.model import AttemptResult
from harness.schedule.past import from_store
from harness.status import Status
from harness.store.store import Store


def test_each_attempt_is_told_without_what_it_waited(store: Store) -> None:
    earlier = AttemptResult(status=Status.BROKEN, started=START, duration=3, host="rack2")
    waited = job(duration=90, waits={"slot": 30.0, "image": 20.0, "guest": 5.0}, host="rack1")
    put(store, flight(1, waited.model_copy(update={"attempts": (earlier,)}), job(OTHER)))
    put(store, flight(2, job(duration=500)), about(branch="other"))
    whole = store.url.url.render_as_string(hide_password=False)
    found = from_store(str(store.url.path or whole), "smoke")
    assert found is not None
    told = {(one.job, one.status, one.host, one.seconds) for one in found}
    assert told == {
        (JOB, Status.BROKEN, "rack2", 3),
        (JOB, Status.PASS, "rack1", 40),
        (OTHER, Status.PASS, "rack1", 10),
    }
    assert {(one.suite, one.virt, one.arch) for one in found} == {
        ("boot", "pv", "amd64"),
        ("boot", "pvh", "amd64"),
    }


def test_where_there_is_no_store_there_is_nothing(store: Store) -> None:
    assert from_store("none", "smoke") is None
    if store.url.path:
        assert from_store(str(store.url.path), "no-such-branch") == []
