// What shells are given: a few lines each, which hand the words over to `fermat complete` and show what comes back. All that is
// known of verbs and flags is in TypeScript (words.ts), so a script that was installed once stays right. The words travel as
// arguments: nothing that stands on the command line is evaluated. @bomb.sh/tab was tried: its bash script evaluates the words
// unquoted, cannot be read twice, and completes no files.

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Answers of `fermat complete` end with one of these lines. */
export const FILES = ':files';
export const NO_FILES = ':none';

// Bash splits words at `:` and `=`, so the line is split here, and what bash takes for whole words is cut off in the end. It
// inserts words as they are, so they are quoted here: the name of a pool may be `$(rm …)`. The other two quote by themselves.
const BASH = `# fermat completion for bash:  eval "$(fermat completion bash)"
_fermat() {
    local line=\${COMP_LINE:0:COMP_POINT} word kept out value
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=\${words[\${#words[@]} - 1]}
    out=$("\${1/#\\~/$HOME}" complete -- "\${words[@]:1}" 2>/dev/null) || return
    COMPREPLY=()
    if [[ \${out##*$'\\n'} == "${FILES}" ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "\${word##*=}")
        return
    fi
    kept=\${word%"\${word##*[:=]}"}
    while IFS=$'\\t' read -r value _; do
        [[ $value == "$word"* ]] || continue
        printf -v value %q "$value"
        COMPREPLY+=("\${value#"$kept"}")
    done <<<"\${out%$'\\n'*}"
}
complete -F _fermat fermat
`;

const ZSH = `#compdef fermat
# fermat completion for zsh:  eval "$(fermat completion zsh)", or as _fermat in a folder of $fpath
_fermat() {
    local -a lines values
    local line
    lines=("\${(@f)$("\${(Q)words[1]/#\\~/$HOME}" complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ $lines[-1] == "${FILES}" ]]; then
        compset -P '*='
        _files
        return
    fi
    for line in "\${(@)lines[1,-2]}"; do
        [[ -n $line ]] && values+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    done
    _describe -t fermat fermat values
}
if [[ $funcstack[1] == _fermat ]]; then _fermat "$@"; else compdef _fermat fermat; fi
`;

const FISH = `# fermat completion for fish:  fermat completion fish | source
function __fermat_complete
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l word (commandline --current-token --cut-at-cursor)
    set -l lines ($words[1] complete -- $words[2..-1] $word 2>/dev/null)
    if test "$lines[-1]" = "${FILES}"
        set -l flag (string match --regex -- '^--[^=]*=' $word)
        __fish_complete_path (string replace -- "$flag" '' $word) | string replace --regex '^' -- "$flag"
    else
        string join \\n -- $lines[1..-2]
    end
end
complete --command fermat --no-files --arguments '(__fermat_complete)'
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
