from __future__ import annotations

import re
import string
from collections import Counter

import pytest

from breakwater.pki import PkiError, generate_password

CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_")


@pytest.mark.parametrize("length", [16, 32, 128])
def test_passwords_need_no_quoting_and_satisfy_the_usual_policies(length: int) -> None:
    for _ in range(50):
        password = generate_password(length).open().decode()
        assert re.fullmatch(rf"[A-Za-z][A-Za-z0-9_-]{{{length - 1}}}", password)
        assert all(set(password) & set(members) for members in CLASSES)


def test_passwords_do_not_repeat_and_use_the_whole_alphabet() -> None:
    passwords = [generate_password(32).open().decode() for _ in range(300)]
    assert len(set(passwords)) == 300
    counts = Counter("".join(passwords))
    assert set(counts) == set("".join(CLASSES))
    # 9,600 characters, about 150 of each; the two specials are asked for and hence a little more frequent
    assert max(counts.values()) < 3 * min(counts.values())


@pytest.mark.parametrize("length", [-1, 0, 15, 129, 10**9])
def test_a_length_that_does_not_protect_or_does_not_fit_is_refused(length: int) -> None:
    with pytest.raises(PkiError, match=r"^length: must be from 16 to 128"):
        generate_password(length)
