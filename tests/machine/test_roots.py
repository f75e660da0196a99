from __future__ import annotations

from roots import lines, stanzas


def test_one_line_sources_are_read() -> None:
    text = """\
# deb http://commented.example/debian trixie main
deb [signed-by=/k.gpg arch=amd64] http://a.example/debian trixie main contrib  # why
deb-src http://a.example/debian trixie main
deb http://flat.example ./
"""
    assert list(lines(text)) == [("http://a.example/debian", "trixie", ["main", "contrib"])]


def test_deb822_sources_are_read_in_every_combination() -> None:
    text = """\
Types: deb deb-src
# a comment between
URIs: http://a.example/debian
  http://b.example/debian
Suites: trixie trixie-updates
Components: main

Enabled: no
Types: deb
URIs: http://off.example
Suites: trixie
Components: main

Types: deb-src
URIs: http://source.example
Suites: trixie
Components: main
"""
    assert list(stanzas(text)) == [
        ("http://a.example/debian", "trixie", ["main"]),
        ("http://a.example/debian", "trixie-updates", ["main"]),
        ("http://b.example/debian", "trixie", ["main"]),
        ("http://b.example/debian", "trixie-updates", ["main"]),
    ]
