"""Completion for shells: a script that asks `qb __complete` for what could come next."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

BASH = """\
_qb() {
    local IFS=$'\\n'
    COMPREPLY=($(qb __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _qb qb
"""
ZSH = """\
#compdef qb
_qb() {
    local -a found
    found=("${(@f)$(qb __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[1]}" ]]; then compadd -a found; else _files; fi
}
if [[ "${funcstack[1]}" == _qb ]]; then
    _qb "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i; }
    compdef _qb qb
fi
"""
FISH = """\
function __qb_complete
    set -l found (qb __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c qb -f -a '(__qb_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
STATUSES = ("complete", "failed", "killed", "blocked", "waiting", "suspended", "pending", "running")
STATES = ("active", "down", "panic", "none", "running", "locked", "banned")
VALUES = {"--status": STATUSES, "--state": STATES}


def candidates(words: Iterable[str], commands: dict[str, argparse.ArgumentParser]) -> list[str]:
    """What the last of the words, typed in part, could become; the words before it decide what is possible."""
    *before, begun = list(words) or [""]
    last = before[-1] if before else ""
    chosen = next((commands[word] for word in before if word in commands), None)
    if last in VALUES:
        possible: Iterable[str] = VALUES[last]
    elif last in ("help",) or chosen is None:
        possible = [*commands, *(["help", "completion"] if not before else [])]
    elif last == "completion":
        possible = SCRIPTS
    else:
        possible = options(chosen, last, begun)
    return sorted(word for word in set(possible) if word.startswith(begun))


def options(parser: argparse.ArgumentParser, last: str, begun: str) -> list[str]:
    """Options while one is typed, the choices of the one before; names of files are the shell's."""
    for action in parser._actions:  # argparse has no public way to read what was added
        if last in action.option_strings and action.choices:
            return [str(choice) for choice in action.choices]
    if not begun.startswith("-"):
        return []
    return [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
