"""A TOML text cut into tokens, in one pass that no text makes slow, and within limits.

The standard parser takes time that grows with the square of a key's parts, and goes as deep into
nested values as the text does: what passes here is safe to give to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["DEEPEST", "MOST_TOKENS", "Token", "TooMuch", "scan"]

MOST_TOKENS = 50_000
DEEPEST = 32

# Atomic groups: a token is found in one go, or not at all. Possessive repeats would read better,
# but Python's lose their place where a branch fails.
_TOKEN = re.compile(
    r"""
    (?P<blank>  (?> (?: [ \t\r\n]+ | \#[^\n]* )+ ) )
  | (?P<string> \"{3} (?> (?: [^"\\]+ | \\. | "(?!"") )* ) "{3,5}
              | '{3} (?> (?: [^']+ | '(?!\'\') )* ) '{3,5}
              | "(?!"") (?> (?: [^"\\\n]+ | \\. )* ) "
              | '(?!\'\') (?> [^'\n]* ) ' )
  | (?P<mark>   [=.,\[\]{}] )
  | (?P<bare>   (?> [^\s\#"'=.,\[\]{}]+ ) )
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING, _CLOSING = "[{", "]}"


class TooMuch(Exception):
    """A text goes beyond a limit: `str()` says which, `line` where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `kind` is blank (space, line ends, comments), string, mark or bare."""

    kind: str
    text: str
    line: int


def scan(text: str, *, most: int = MOST_TOKENS) -> list[Token]:
    """Give the tokens of `text` up to the first place where it cannot be TOML.

    TooMuch where it has more than `most` tokens beside blanks, or is nested too deeply.
    """
    tokens: list[Token] = []
    line, depth, parts, count, at = 1, 0, 0, 0, 0
    while match := _TOKEN.match(text, at):
        kind, word = str(match.lastgroup), match[0]
        tokens.append(Token(kind, word, line))
        if kind == "blank":
            parts = 0 if "\n" in word else parts
        else:
            count += 1
        if kind == "mark":
            depth += (word in _OPENING) - (word in _CLOSING)
            parts = parts + 1 if word == "." else 0
        if count > most:
            raise TooMuch("too many keys and values", line)
        if depth > DEEPEST or parts > DEEPEST:
            raise TooMuch(f"nested too deeply: {DEEPEST} levels are the limit", line)
        line += word.count("\n")
        at = match.end()
    return tokens
