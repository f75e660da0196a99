"""What each shell has to be told so that it completes dockcfgctl: it asks `complete.py`."""

from __future__ import annotations

__all__ = ["SHELLS"]

_BASH = r"""# bash completion of dockcfgctl; dockcfgctl completion bash prints it

_dockcfgctl() {
    local word=${COMP_WORDS[COMP_CWORD]} kind line
    local -a lines=()
    COMPREPLY=()
    mapfile -t lines < <("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    kind=${lines[0]-}
    [[ $word == '=' ]] && word=
    case $kind in
        :files | :toml | :folders)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            if [[ $kind == :files ]]; then
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
            elif [[ $kind == :toml ]]; then
                mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -X '!*.toml' -- "$word")
            fi
            ;;
    esac
    for line in "${lines[@]:1}"; do
        COMPREPLY+=("${line%%$'\t'*}")
    done
    # Generations and backups come newest first.
    compopt -o nosort 2>/dev/null
}
complete -F _dockcfgctl dockcfgctl
"""

_ZSH = r"""#compdef dockcfgctl
# zsh completion of dockcfgctl; dockcfgctl completion zsh prints it

_dockcfgctl() {
    local line value kind
    local -a lines values
    lines=(${(f)"$(${(Q)words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
    kind=$lines[1]
    lines[1]=()
    for line in $lines; do
        value=${line%%$'\t'*}
        values+=("${value//:/\\:}:${line#*$'\t'}")
    done
    case $kind in
        :toml) _files -g '*.toml' ;;
        :files) _files ;;
        :folders) _files -/ ;;
    esac
    (( $#values )) && _describe -V dockcfgctl values
}

if [ "$funcstack[1]" = _dockcfgctl ]; then
    _dockcfgctl "$@"
else
    compdef _dockcfgctl dockcfgctl
fi
"""

_FISH = r"""# fish completion of dockcfgctl; dockcfgctl completion fish prints it

function __dockcfgctl_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l lines ($words[1] __complete $words[2..-1] "$word" 2>/dev/null)
    set -q lines[1]; or return
    set -l kind $lines[1]
    set -e lines[1]
    switch $kind
        case :toml
            __fish_complete_suffix .toml
        case :files
            __fish_complete_path "$word"
        case :folders
            __fish_complete_directories "$word" ''
    end
    for line in $lines
        echo $line
    end
end

complete -c dockcfgctl -f -k -a '(__dockcfgctl_complete)'
"""

SHELLS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
