"""Telling plain scripts from those that may change the language around them.

A plain script can share a context with others of its task, one after the other. This is no matter of safety, for that
context cannot be changed (`javascript_harness`): a script that tries to would only notice. So when in doubt a script is
not plain. Text in, a verdict out.
"""

import re
from functools import lru_cache
from typing import Final

_MAX_LENGTH: Final = 20_000
_NOT_PLAIN: Final = re.compile(
    r"\\[ux]|(?<![\w$])(?:prototype|constructor|__\w+__|this|globalThis|global|eval|Function|class|extends|super|async|"
    r"await|import|arguments|caller|callee|with|yield|Proxy|Reflect|Symbol|Promise|queueMicrotask|WeakRef|"
    r"WeakMap|WeakSet|FinalizationRegistry|\w*Error|Iterator|Atomics|\w*ArrayBuffer|DataView|\w*Array(?<!\bArray)|"
    r"\w*DisposableStack|DOMException|performance|delete|use strict"
    r")(?![\w$])|(?<![\w$])(?:inputs|self|runtime)\s*=(?!=)"
)
_OF_THE_LANGUAGE: Final = re.compile(
    r"(?<![\w$.])(Object|Array|String|Number|Boolean|Math|JSON|Date|RegExp|Map|Set|BigInt|parseInt|parseFloat|isNaN|"
    r"isFinite|escape|unescape|btoa|atob|encodeURI|encodeURIComponent|decodeURI|decodeURIComponent)(?![\w$])"
    r"(\s*\(|\s*\.\s*(?:\w+\s*\(|PI\b(?!\s*=[^=])|E\b(?!\s*=[^=])))?"
)
_CHANGING: Final = re.compile(
    r"Object\s*\.\s*(?!(?:keys|values|entries|fromEntries|is|hasOwn)\s*\()\w+|(?:Array|String|Number|Date|Math)\s*\.\s*__"
)


@lru_cache(maxsize=2048)
def is_plain(code: str) -> bool:
    """Whether a script, a function body, uses of the language's own objects only what changes none of them."""
    if len(code) > _MAX_LENGTH or _NOT_PLAIN.search(code) or _CHANGING.search(code):
        return False
    return all(found[2] for found in _OF_THE_LANGUAGE.finditer(code))
