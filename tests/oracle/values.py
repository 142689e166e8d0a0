"""Strategies for the leaves of cases: texts, numbers, names, files."""

from typing import Any, Final

from hypothesis import strategies as st

VERSIONS: Final = ("v1.0", "v1.1", "v1.2")

_PLAIN_TEXTS = ["a", "hello", "x1", "some text"]
_AWKWARD_TEXTS = [
    "", " ", "  two  spaces ", "-", "--flag", "-n", "it's", 'say "so"', "back\\slash", "new\nline", "tab\there",
    "$(inputs.x)", "${return 1;}", "$HOME", "`ls`", "a;b", "a&&b", "*", "a/b", "é", "日本", "🕷", "null", "true", "1e3",
    "%20", "#", "{}", "[1]", "\\$(x)", "=", "~", "!", "a,b", "'", '"', "\u00a0",
]  # fmt: skip

texts = st.one_of(
    st.sampled_from(_PLAIN_TEXTS),
    st.sampled_from(_AWKWARD_TEXTS),
    st.text(
        st.characters(codec="utf-8", exclude_characters="\0\r\x85\u2028\u2029", exclude_categories=["Cc"]), max_size=6
    ),
)

plain_texts = texts.filter(lambda text: not text.startswith("$"))
"""Texts that are no expression as a whole."""

ints = st.one_of(st.sampled_from([0, 1, -1, 10, 2**31 - 1]), st.integers(-1000, 1000))
longs = st.one_of(ints, st.sampled_from([2**31, -(2**31), 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]))
_FLOATS = [
    0.0, 1.0, 10.0, -0.5, 0.1, 1e-7, 1.5e-5, 0.0001, 1e15, 1e16, 1e20, 1e21, 1.23e25, 123456789.125, 1e-10, -2.5e-9,
    100000.0, 3.0e8, 0.30000000000000004,
]  # fmt: skip
floats = st.one_of(
    st.sampled_from(_FLOATS),
    st.builds(
        lambda mantissa, exponent: float(f"{mantissa}e{exponent}"), st.integers(-99999, 99999), st.integers(-12, 20)
    ),
    ints,
)

FILE_TEXTS: Final = ["", "x", "one line\n", "two\nlines\n", "42", " padded ", "é\n", '{"a": 1}']
FILE_NAMES: Final = [
    "a.txt", "b.tar.gz", "noext", "sp ace.txt", ".hidden", "ünï.txt", "plus+.bam", "x.bam", "deep.v1.vcf",
    "trail.", "a=b.txt", "q'uote.txt",
]  # fmt: skip

_scalars = st.one_of(st.booleans(), ints, st.sampled_from([0.5, 2.0]), texts)
_lists = st.lists(_scalars, max_size=3)
anything: st.SearchStrategy[Any] = st.one_of(
    _scalars,
    _lists,
    st.lists(st.one_of(_scalars, _lists), max_size=2),
    st.dictionaries(st.sampled_from(["a", "b", "key"]), st.one_of(_scalars, _lists), max_size=2),
)
"""No objects in lists: what the other runner makes of those in an Any, no type says (see ``lists in Any``)."""


def rarely(draw: Any, one_in: int) -> bool:
    """True once in about so many draws; false is the simpler value."""
    return bool(draw(st.integers(0, one_in - 1)) == one_in - 1)
