"""No output carries a secret: ours by value, the ones we never knew by what stands before them."""

from __future__ import annotations

import base64
import json
import threading

import pytest

from fabfile.engine.secret import MASK, Secret, mask_keyed, mask_secrets
from fabfile.engine.shell import Reading
from fabfile.engine.step import text_diff
from fabfile.steps.file import File


def test_a_secret_shows_as_a_mask() -> None:
    secret = Secret("correct-horse")
    assert (str(secret), repr(secret), f"{secret}", f"{secret!r}") == (MASK,) * 4
    assert repr([secret]) == f"[{MASK}]"
    assert secret.reveal() == "correct-horse"
    assert secret == Secret("correct-horse")
    assert secret != Secret("battery-staple")
    assert len({secret, Secret("correct-horse")}) == 1


def test_known_secrets_are_masked_wherever_they_stand() -> None:
    Secret("staple-1")
    assert (
        mask_secrets("psql 'host=x password=staple-1' and staple-1staple-1")
        == f"psql 'host=x password={MASK}' and {MASK}{MASK}"
    )


def test_a_secret_within_a_secret_leaves_no_rest() -> None:
    Secret("inner-word")
    Secret("an-inner-word-outside")
    assert mask_secrets("<an-inner-word-outside> <inner-word>") == f"<{MASK}> <{MASK}>"


def test_a_secret_is_masked_in_json_too() -> None:
    secret = Secret('sl\\ash "quoted" tab\t')
    assert "ash" not in mask_secrets(
        json.dumps({"said": f"it is {secret.reveal()}"}, ensure_ascii=False)
    )


def test_a_short_secret_does_not_eat_every_sentence() -> None:
    Secret("the")
    assert mask_secrets("the cat") == "the cat"


def test_secrets_may_come_while_others_mask() -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def keep_masking() -> None:
        try:
            while not stop.is_set():
                mask_secrets("some text of no interest")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=keep_masking) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(300):
        Secret(f"made-on-the-way-{number}")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert mask_secrets("made-on-the-way-299") == MASK


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password: never-known", f"password: {MASK}"),
        ("  db_password = 'never known'  # old", f"  db_password = {MASK}  # old"),
        ('"Password": "never \\u00fc known", "user": "x"', f'"Password": {MASK}, "user": "x"'),
        ("PGPASSWORD=never-known", f"PGPASSWORD={MASK}"),
        ("password: never, known; or} so", f"password: {MASK}"),
        ("api_key: 123", f"api_key: {MASK}"),
        ("auth_token=abc", f"auth_token={MASK}"),
        ("passphrase: x y z", f"passphrase: {MASK}"),
        ("url: postgres://bingo:never-known@db:5432/x", f"url: postgres://bingo:{MASK}@db:5432/x"),
        ("http://10.0.0.1:8080/x", "http://10.0.0.1:8080/x"),
        ("user: bingo", "user: bingo"),
        ("# passwords are kept elsewhere", "# passwords are kept elsewhere"),
    ],
)
def test_what_follows_a_tell_tale_word_is_masked(text: str, shown: str) -> None:
    assert mask_keyed(text) == shown


def test_the_diff_of_a_secret_file_shows_neither_the_new_nor_the_old_secret() -> None:
    Secret("brand-new-secret")
    old = "user: bingo\npassword: the-old-one\nport: 1\n"
    new = "user: bingo\npassword: brand-new-secret\nport: 2\n"
    diff = text_diff(old, new, "config.yaml")
    assert "brand-new-secret" not in diff
    assert "the-old-one" not in diff
    assert "-port: 1\n+port: 2" in diff


def test_a_file_whose_secret_alone_changed_is_still_written_and_says_so() -> None:
    Secret("brand-new-secret")
    step = File("/etc/app.yaml", "password: brand-new-secret\n", mode=0o640)
    encoded = base64.b64encode(b"password: the-old-one\n").decode()
    change = step.decide(Reading(f"root:root 640 regular file\ndiffers\n{encoded}\n", 0))
    assert change is not None
    assert change.sentence == "change /etc/app.yaml (comments or secrets only)"
    assert change.diff == ""
