"""The plainest of what languages other than Python offer to play against a ruler, line by line.

Only expressions and what they mean; python.py reads a syntax tree and finds more.
"""

from __future__ import annotations

from collections.abc import Mapping

COMMENTS = ("//", "* ", "*/", "# ", "-- ", "% ", ";;")
"""How a line begins that does nothing."""
_ASKS = "asks whether it is measured"
_CLOCK = "patches the clock"
_PRINTED = "patches what is printed"
_EXITS = "exits with success"
_LAST = "has the last word"
_VARIABLES = r"(CI|GITHUB_ACTIONS|GITLAB_CI|CONTINUOUS_INTEGRATION)"
_OF_JAVASCRIPT: Mapping[str, str] = {
    r"\bprocess\.env\.(CI|GITHUB_ACTIONS|JEST_WORKER_ID|VITEST|NODE_TEST_CONTEXT)\b": _ASKS,
    r"\bprocess\.argv\[1\]\s*\.\s*(endsWith|includes|match|indexOf)\b": _ASKS,
    r"\brequire\.main\.filename\b": _ASKS,
    r"\b(Date\.now|performance\.now|process\.hrtime(\.bigint)?)\s*=(?![=>])": _CLOCK,
    r"\b(globalThis|global|window)\.(Date|performance)\s*=(?![=>])": _CLOCK,
    r"\b(defineProperty|assign)\(\s*((globalThis|global)\.)?(Date|performance)\b": _CLOCK,
    r"\bMath\.random\s*=(?![=>])": "patches Math.random",
    r"\bconsole\.(log|info|warn|error)\s*=(?![=>])": _PRINTED,
    r"\b(process\.stdout\.write|(globalThis|global)\.console)\s*=(?![=>])": _PRINTED,
    r"\b(defineProperty|assign)\(\s*(console|process\.stdout)\b": _PRINTED,
    r"\b(require\(\s*[\"'](node:)?assert(/strict)?[\"']\s*\)[\w.]*|assert\.\w+)\s*=(?![=>])": (
        "patches assert"
    ),
    r"\bprocess\.(reallyExit|exit)\s*\(\s*0?\s*\)": _EXITS,
    r"\bprocess\.exitCode\s*=\s*0\b": _LAST,
}
_OF_C: Mapping[str, str] = {
    r"__attribute__\s*\(\(\s*_*constructor": "runs before main",
    r"\b(_exit|_Exit|quick_exit)\s*\(\s*(0|EXIT_SUCCESS)\s*\)": _EXITS,
    r"^\s*(extern\s+\"C\"\s+)?(static\s+)?(clock_t\s+clock|int\s+clock_gettime|int\s+gettimeofday"
    r"|time_t\s+time)\s*\([^;{]*(\{|$)": _CLOCK,
    rf"\bgetenv\(\s*\"{_VARIABLES}\"": _ASKS,
}
_OF_OTHERS: Mapping[tuple[str, ...], Mapping[str, str]] = {
    (".go",): {
        r"\b(os|syscall)\.Exit\(0\)": _EXITS,
        r"\btesting\.(Testing|Benchmark)\(|\bflag\.Lookup\(\"test\.": _ASKS,
        rf"\bos\.(Getenv|LookupEnv)\(\"{_VARIABLES}\"": _ASKS,
    },
    (".rs",): {
        r"\bprocess::exit\(0\)": _EXITS,
        r"\bcfg!\((not\()?test\)|#\[cfg\(not\(test\)\)\]": _ASKS,
        rf"\benv::var(_os)?\(\"{_VARIABLES}\"": _ASKS,
    },
    (".java", ".kt", ".kts", ".scala", ".groovy"): {
        r"\b(System\.exit|exitProcess|Runtime\.getRuntime\(\)\.halt|sys\.exit)\(\s*0?\s*\)": _EXITS,
        rf"\bSystem\.getenv\(\s*\"{_VARIABLES}\"": _ASKS,
        r"\bSystem\.setOut\(": _PRINTED,
    },
    (".cs", ".fs", ".vb"): {
        r"\bEnvironment\.Exit\(\s*0\s*\)": _EXITS,
        rf"\bGetEnvironmentVariable\(\s*\"{_VARIABLES}\"": _ASKS,
        r"\bConsole\.SetOut\(": _PRINTED,
    },
    (".rb",): {
        r"^\s*(exit!?(\s*\(?\s*(0|true)\s*\)?)?\s*$|at_exit\b)|\bexit!\s*(0|true)?\s*\}?": _LAST,
        r"\bdef\s+(self|Process)\.clock_gettime\b|\bclass\s*<<\s*(Process|Time)\b": _CLOCK,
        rf"\bENV(\.fetch\(|\[)\s*[\"']{_VARIABLES}[\"']": _ASKS,
    },
    (".pl", ".pm", ".t"): {
        r"^\s*END\s*\{": _LAST,
        r"\bPOSIX::_exit\s*\(?\s*0": _EXITS,
        r"\*(CORE::GLOBAL|Time::HiRes)::\w+\s*=": _CLOCK,
        rf"\$ENV\{{\s*[\"']?{_VARIABLES}[\"']?\s*\}}": _ASKS,
    },
    (".php", ".inc"): {
        r"\bregister_shutdown_function\s*\(": _LAST,
        r"\b(exit|die)\s*\(\s*0\s*\)": _EXITS,
        rf"\bgetenv\(\s*[\"']{_VARIABLES}[\"']": _ASKS,
    },
    (".lua",): {
        r"\bos\.(clock|time)\s*=(?!=)": _CLOCK,
        r"\bos\.exit\s*\(\s*(0|true)?\s*[,)]": _EXITS,
        r"\b(io\.write|_G\.print|^\s*print)\s*=(?!=)": _PRINTED,
    },
    (".sh", ".bash", ".zsh"): {
        r"\btrap\s+[\"'][^\"'\n]*\bexit\s+0\b": _LAST,
        r"\bkill\s+(-\w+\s+)*[\"']?\$\{?PPID\b": "ends who has started it",
    },
    (".swift",): {r"(?<![\w.])_?exit\(\s*(0|EXIT_SUCCESS)\s*\)": _EXITS},
    (".dart",): {r"(?<![\w.])exit\(\s*0\s*\)": _EXITS},
    (".zig", ".nim"): {r"\bprocess\.exit\(0\)|\bquit\(\s*(0|QuitSuccess)?\s*\)": _EXITS},
    (".ex", ".exs"): {
        r"\bSystem\.(halt|stop)\(\s*(0|:normal)?\s*\)": _EXITS,
        r"\bSystem\.at_exit\(": _LAST,
        rf"\bSystem\.(get_env|fetch_env!?)\(\s*\"{_VARIABLES}\"": _ASKS,
    },
    (".erl",): {r"(?<!\w)halt\(\s*0?\s*\)": _EXITS},
    (".hs",): {r"\bexitSuccess\b|\bexitImmediately\s+ExitSuccess\b": _EXITS},
    (".ml",): {r"(?<![\w.])(Stdlib\.|Unix\._)?exit\s+0\b|\bat_exit\b": _EXITS},
    (".jl",): {r"(?<![\w.])exit\(\s*0?\s*\)": _EXITS, r"\batexit\(": _LAST},
    (".R", ".r"): {r"(?<![\w.])(q|quit)\([^)\n]*status\s*=\s*0": _EXITS},
}
_BY_ENDING = {
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"), _OF_JAVASCRIPT),
    **dict.fromkeys(
        (".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".m", ".mm", ".inl"), _OF_C
    ),
    **{ending: patterns for endings, patterns in _OF_OTHERS.items() for ending in endings},
}


def patterns_for(path: str) -> Mapping[str, str]:
    """Expressions, and what a line does that matches; none for what is no language of these."""
    return _BY_ENDING.get(path[path.rfind(".") :], {})
