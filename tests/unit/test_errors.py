"""How a path stands in a message."""

import pytest

from sync.errors import quoted


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("D:\\Media\\clip one.mp4", "'D:\\Media\\clip one.mp4'"),
        ("\\\\nas\\share", "'\\\\nas\\share'"),
        ("/data/Zoë 動画 😀", "'/data/Zoë 動画 😀'"),
        ("/data/it's", '"/data/it\'s"'),
        ('/data/it\'s "his"', "\"/data/it's ''his''\""),
        ("/a\nb\x1b[31m\x9b\u2028\udc80", r"'/a\nb\x1b[31m\x9b\u2028\udc80'"),
        ("/abcde", "'/abcde'"),
        ("/abcdefg", "'/abcdef…'"),
        ("", "''"),
        (None, "None"),
        (1.5, "1.5"),
    ],
)
def test_a_path_as_people_write_it(path: object, shown: str) -> None:
    assert quoted(path, 8 if shown.startswith("'/abc") else 300) == shown
