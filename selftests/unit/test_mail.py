"""A flight's mail: what it says to people and programs, and how it goes out."""

from __future__ import annotations

import email
import json
import re
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from results_samples import PV, PVH, STEPS, Flight, planned
from smtpserver import Received, mail_server, own_certificate
from storelab import about, put, url_of
from storelab import flight as stored_flight
from storelab import job as stored_job

from harness.cli import main
from harness.mail.settings import VARIABLE
from harness.results.load import recover_results
from harness.results.recorder import to_json
from harness.status import Status
from harness.store.store import Store
from harness.store.url import VARIABLE as STORE

Captured = pytest.CaptureFixture[str]
PASSWORD = "correct horse battery"
SETTINGS = """
server: 127.0.0.1
port: {port}
security: none
sender: Lab <lab@mail.example>
to: [one@mail.example, two@mail.example]
pages: https://pages.example/site
"""
HOSTILE = "\x1b[2J\u202e@all `x` | <b>no</b>\r\nBcc: evil@mail.example"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to stand in, and no settings of anybody's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "flights").mkdir()
    jobs = ", ".join(
        f"{{dist: bookworm, arch: amd64, virt: {virt}, boot: direct}}" for virt in ("pv", "pvh")
    )
    (tmp_path / "flights/smoke.yaml").write_text(f"flight: smoke\njobs: [{jobs}]\n")
    return tmp_path


def run(number: int, status: Status = Status.PASS, *, ends: bool = True, **more: str) -> Path:
    """Flight smoke-*number*, whose PVH guest may end its boot otherwise; on a new Xen each time."""
    directory = Path("reports/runs") / f"smoke-{number}"
    flight = Flight(directory, planned(PV), planned(PVH))
    flight.passing_job(PV)
    flight.step(PVH, STEPS[0])
    if ends:
        flight.step(PVH, "guest-boot", status, **{"reason": "said so", **more})
        for testid in STEPS[2:] if status is Status.PASS else ():
            flight.step(PVH, testid)
        flight.recorder.job_ended(PVH)
        result = flight.recorder.finish()
    else:
        result = recover_results(directory)
    data = json.loads(to_json(result))
    data["started"] = f"2024-11-22T{number:02}:00:00Z"
    data["hosts"][0]["xen_version"] = f"4.{number}.0"
    (directory / "results.json").write_text(json.dumps(data))
    return directory


def judged(status: Status, reason: str = "said so", evidence: str = "") -> Path:
    """The second flight, after one whose gate opened."""
    run(1)
    assert main(["gate", "smoke-1"]) == 0
    return run(2, status, reason=reason, evidence=evidence)


def said(capsys: Captured, *words: str) -> EmailMessage:
    capsys.readouterr()
    assert main(["mail", *words]) == 0
    found = email.message_from_string(capsys.readouterr().out, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


# -- what it says --------------------------------------------------------------------------


def test_a_regression(capsys: Captured) -> None:
    judged(Status.FAIL, evidence="Kernel panic - not syncing: x\n")
    mail = said(capsys, "smoke-2")
    assert mail["Subject"] == f"[smoke] flight smoke-2: regressions - guest-boot of {PVH}"
    body = str(mail.get_payload())
    blocking = body.index("Tests which did not succeed and are blocking:")
    assert body.index(f"{PVH}  guest-boot  fail REGR. vs smoke-1") > blocking
    assert "  | Kernel panic - not syncing: x" in body
    assert f"./xenflight run smoke --only {PVH} --keep on-failure" in body
    assert f"./xenflight repro smoke-2 {PVH}" in body
    assert mail["X-Xenflight-Verdict"] == "regressions"
    assert mail["X-Xenflight-Gate"] == "shut"
    assert mail["X-Xenflight-Exit-Code"] == "5"
    assert mail["X-Xenflight-Baseline"] == "smoke-1"
    assert f"smoke:{PVH}:guest-boot:fail:regression" in mail["X-Xenflight-Failures"].split()
    assert "xen=4.2.0" in mail["X-Xenflight-Versions-This"].split()
    assert "xen=4.1.0" in mail["X-Xenflight-Versions-That"].split()
    assert not Path("reports/runs/smoke-2/verdict.json").exists(), "it only tells"


def test_all_is_well(capsys: Captured) -> None:
    run(1)
    mail = said(capsys, "smoke-1")
    assert mail["Subject"] == "[smoke] flight smoke-1: tolerable - 2 pass"
    assert mail["X-Xenflight-Failures"] is None


def test_trouble(capsys: Captured) -> None:
    judged(Status.BROKEN)
    mail = said(capsys, "smoke-2")
    assert mail["Subject"] == "[smoke] flight smoke-2: trouble - 1 broken, 1 pass"
    assert mail["X-Xenflight-Exit-Code"] == "4"


def test_a_controller_that_was_killed(capsys: Captured) -> None:
    run(1)
    main(["gate", "smoke-1"])
    run(2, ends=False)
    mail = said(capsys, "smoke-2")
    assert mail["Subject"] == "[smoke] flight smoke-2: trouble - 1 aborted, 1 pass"
    assert mail["X-Xenflight-Status"] == "aborted"
    assert mail["X-Xenflight-Exit-Code"] == "130"


def test_the_verdict_that_was_kept_is_told(capsys: Captured) -> None:
    directory = run(1)
    main(["gate", "smoke-1"])
    file = directory / "verdict.json"
    file.write_text(file.read_text().replace('"branch": "smoke"', '"branch": "release"'))
    assert said(capsys, "smoke-1")["X-Xenflight-Branch"] == "release"
    file.write_text("{")
    assert said(capsys, "smoke-1")["X-Xenflight-Branch"] == "smoke", "asked anew"


@pytest.mark.parametrize("form", ["mail", "md"])
def test_what_a_guest_said_acts_on_nobody(capsys: Captured, form: str) -> None:
    judged(Status.FAIL, reason=HOSTILE, evidence=f"{HOSTILE}\n~~~~\n")
    capsys.readouterr()
    assert main(["mail", "smoke-2", "--format", form]) == 0
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    if form == "mail":
        assert email.message_from_string(out, policy=policy.default)["Bcc"] is None
        return
    spans = re.compile(r"`[^`\n]*`|~~~~.*?~~~~", re.DOTALL)
    assert "@all" in out
    assert "@all" not in spans.sub("", out), "mentions nobody"
    assert "<b>" not in spans.sub("", out)


def test_markdown(capsys: Captured, home: Path) -> None:
    judged(Status.FAIL)
    capsys.readouterr()
    assert main(["mail", "smoke-2", "--format", "md", "--out", "summary.md"]) == 0
    out = capsys.readouterr().out
    assert (home / "summary.md").read_text() == out
    assert out.startswith(f"### `[smoke] flight smoke-2: regressions - guest-boot of {PVH}`\n")
    assert "#### Tests which did not succeed and are blocking" in out
    assert f"| `{PVH}` | `guest-boot` | `fail REGR. vs smoke-1` |" in out
    assert "compared with `smoke-1`" in out
    assert main(["mail", "smoke-2", "--format", "md", "--out", "none/summary.md"]) == 4
    assert main(["mail", "smoke-2", "--out", "flights/smoke.yaml/mail.eml"]) == 4


def test_a_flight_that_only_the_store_knows(
    capsys: Captured, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE, str(home / "history.db"))
    with Store(url_of(home / "history.db")) as store:
        put(store, stored_flight(1), about())
        put(store, stored_flight(2, stored_job(statuses=[Status.FAIL])), about())
    mail = said(capsys, "smoke-000002")
    assert mail["Subject"].startswith("[smoke] flight smoke-000002: ")
    assert "fail" in str(mail["X-Xenflight-Failures"])


def test_no_such_flight(capsys: Captured) -> None:
    run(1)
    assert main(["mail", "smoke-7"]) == 2
    assert "there is no flight 'smoke-7'" in capsys.readouterr().err


# -- how it goes out -----------------------------------------------------------------------


def settings(port: int, more: str = "", text: str = SETTINGS) -> None:
    path = Path("config/xenflight/mail.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("{port}", str(port)) + more)


def test_it_is_sent_and_kept(capsys: Captured) -> None:
    directory = judged(Status.FAIL, reason="schön gesagt")
    with mail_server() as (port, received):
        settings(port)
        assert main(["mail", "smoke-2", "--send"]) == 0
    kept = directory / "mail.eml"
    assert str(kept) in capsys.readouterr().out.replace(str(Path.cwd()) + "/", "")
    assert received.readers == ["one@mail.example", "two@mail.example"]
    (data,) = received.mails
    assert data == kept.read_bytes()
    assert max(map(len, data.splitlines())) <= 998, "RFC 5322"
    assert data.isascii(), "whatever servers are on its way"
    mail = email.message_from_bytes(data, policy=policy.default)
    assert mail["From"] == "Lab <lab@mail.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@mail.example>")
    assert isinstance(mail, EmailMessage)
    assert "schön gesagt" in mail.get_content()
    assert "pages: https://pages.example/site" in mail.get_content()


def test_other_readers(capsys: Captured) -> None:
    run(1)
    with mail_server() as (port, received):
        settings(port)
        assert main(["mail", "smoke-1", "--send", "--to", "me@mail.example"]) == 0
    assert received.readers == ["me@mail.example"]
    assert "sent to me@mail.example" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["env", "file"])
def test_a_password_is_used_and_never_shown(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, home: Path, place: str
) -> None:
    run(1)
    monkeypatch.setenv("LAB_PASSWORD", PASSWORD)
    (home / "word").write_text(f"{PASSWORD}\n")
    where = "env: LAB_PASSWORD" if place == "env" else f"file: {home}/word"
    with mail_server() as (port, received):
        settings(port, f"user: ci\npassword: {{{where}}}\n")
        assert main(["mail", "smoke-1", "--send"]) == 0
    assert received.passwords == [("ci", PASSWORD)]
    with mail_server({"AUTH": f"535 {PASSWORD} is wrong"}) as (port, _):
        settings(port, f"user: ci\npassword: {{{where}}}\n")
        assert main(["mail", "smoke-1", "--send"]) == 4
    told = capsys.readouterr()
    assert "535 [secret] is wrong" in told.err
    assert PASSWORD not in told.out + told.err
    assert PASSWORD.encode() not in Path("reports/runs/smoke-1/mail.eml").read_bytes()


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"DATA": "552 too much"}, "552 too much"),
        ({"RCPT": "550 nobody of that name"}, "one@mail.example: 550 nobody of that name"),
        ({"MAIL": "451 not now"}, "451 not now"),
        ({"EHLO": ""}, "closed"),
        ({"DATA": ""}, "closed"),
    ],
)
def test_a_server_that_does_not_take_it(
    capsys: Captured, answers: dict[str, str], told: str
) -> None:
    run(1)
    with mail_server(answers) as (port, _):
        settings(port)
        assert main(["mail", "smoke-1", "--send"]) == 4
    err = capsys.readouterr().err
    assert f"127.0.0.1:{port} did not take it" in err
    assert told in err
    assert "nothing is lost: it is in " in err
    assert b"Subject: [smoke]" in Path("reports/runs/smoke-1/mail.eml").read_bytes()


def test_a_server_that_is_not_there(capsys: Captured) -> None:
    run(1)
    with mail_server() as (port, _):
        settings(port)
    assert main(["mail", "smoke-1", "--send"]) == 4
    assert "Connection refused" in capsys.readouterr().err


def test_no_password_goes_out_in_the_clear(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(1)
    monkeypatch.setenv("LAB_PASSWORD", PASSWORD)
    login = "user: ci\npassword: {env: LAB_PASSWORD}\n"
    with mail_server() as (port, received):
        settings(port, login, SETTINGS.replace("security: none", "security: starttls"))
        assert main(["mail", "smoke-1", "--send"]) == 4
    assert "STARTTLS" in capsys.readouterr().err
    assert received == Received(commands=received.commands)
    settings(25, login, SETTINGS.replace("127.0.0.1", "mail.example"))
    assert main(["mail", "smoke-1", "--send"]) == 2
    assert "anybody on the way could read the password" in capsys.readouterr().err


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_is_checked_before_a_password_is_sent(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, home: Path, trusted: bool
) -> None:
    run(1)
    monkeypatch.setenv("LAB_PASSWORD", PASSWORD)
    certificate = own_certificate(home / "own.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate if trusted else home / "none.pem"))
    login = "user: ci\npassword: {env: LAB_PASSWORD}\n"
    with mail_server(certificate=certificate) as (port, received):
        settings(port, login, SETTINGS.replace("security: none", "security: starttls"))
        assert main(["mail", "smoke-1", "--send"]) == (0 if trusted else 4)
    assert received.passwords == ([("ci", PASSWORD)] if trusted else [])
    assert len(received.mails) == trusted
    assert ("certificate verify failed" in capsys.readouterr().err) is not trusted


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("server:", "servr:", "unknown key 'servr', did you mean 'server'?"),
        ("lab@mail.example", "nobody", "is no mail address"),
        ("Lab <lab@mail.example>", '"Lab\\nBcc: x <lab@mail.example>"', "is no mail address"),
        ("security: none", "security: ssl", "unknown security 'ssl'"),
        ("pages:", "password: secret\npages:", "password"),
        ("pages:", "user: ci\npages:", "a user has a password"),
        ("pages:", "user: ci\npassword: {}\npages:", "say where the password is"),
        ("pages:", "user: ci\npassword: {env: NOT_SET}\npages:", "NOT_SET is not set"),
        ("pages:", "user: ci\npassword: {file: none/here}\npages:", "can't be read"),
    ],
)
def test_settings_that_are_wrong(capsys: Captured, old: str, new: str, told: str) -> None:
    run(1)
    settings(1, text=SETTINGS.replace(old, new))
    assert main(["mail", "smoke-1", "--send"]) == 2
    assert told in capsys.readouterr().err.replace(";", ",")


def test_without_settings_nothing_is_sent(capsys: Captured) -> None:
    run(1)
    assert main(["mail", "smoke-1", "--send"]) == 2
    assert "no mail server is known" in capsys.readouterr().err
    assert main(["mail", "smoke-1", "--settings", "none.yaml"]) == 2
    assert main(["mail", "smoke-1", "--send", "--format", "md"]) == 2
