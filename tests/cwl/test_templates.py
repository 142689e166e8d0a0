"""Finding expressions in text."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.errors import ExpressionError
from araneus.cwl.templates import Expression, closing, template


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("$(inputs)", ("inputs",)),
        ("$(inputs.a)", ("inputs", "a")),
        ("$(inputs['a b'])", ("inputs", "a b")),
        ('$(inputs["a\'b"])', ("inputs", "a'b")),
        (r"$(inputs['a\'b'])", ("inputs", "a'b")),
        (r"$(inputs['a\\b'])", ("inputs", "a\\b")),
        ("$(inputs.x.y['z'][0].length)", ("inputs", "x", "y", "z", 0, "length")),
        ("$(inputs.größe)", ("inputs", "größe")),
        ("$(null)", ("null",)),
    ],
)
def test_parameter_references(text: str, path: tuple[str | int, ...]) -> None:
    assert template(text, True) == (Expression(text[2:-1], path=path),)


@pytest.mark.parametrize("text", ["$(inputs.a + 1)", "$( inputs.a)", "$(inputs.a())", "$(inputs[a])", "$(!self)"])
def test_other_expressions_have_no_path(text: str) -> None:
    assert template(text, True) == (Expression(text[2:-1]),)


BODIES = [
    "{ return 1 }",
    "{ return {a: {b: 1}} }",
    "{ return '}' + \"}\" + `}` }",
    "{ return '\\'}' }",
    "{ return `a ${ {b: `}${1}}`}.b } }` }",
    "{ // } no end here\n return 1 }",
    "{ /* } nor here */ return 1 }",
    "{ return /[}]/.test(inputs.x) }",
    "{ return /}/.test(x) }",
    "{ var a = /\\/}/; return a }",
    "{ return x.replace(/[{'\"]/g, '') }",
    "{ var half = total / 2; var other = (a) / 2; return '}' }",
    "{ return a[0] / b / c['}'] }",
    "{ if (a) { return b } return c }",
    "{ return 1 / 2 } ",
    "(inputs.a.map(function (x) { return x + ')' }))",
    "((inputs.a) ? ')' : '(')",
]


@pytest.mark.parametrize("body", BODIES)
def test_brackets_are_matched_as_javascript_reads_them(body: str) -> None:
    body = body.strip()
    assert closing(body + " rest }) '", 0) == len(body) - 1
    assert template(f"a${body}b", True) == ("a", Expression(body[1:-1], body=body[0] == "{"), "b")


@pytest.mark.parametrize("text", ["$(", "${", "a $(inputs.a", "${ return '}'", "$(a]", "${ /* }", "${ `}", "$('a)"])
def test_an_expression_without_end_is_an_error(text: str) -> None:
    with pytest.raises(ExpressionError, match="no end"):
        template(text, True)


@pytest.mark.parametrize(
    ("text", "modern", "old"),
    [
        (r"\$(a)", ("$(a)",), ("$(a)",)),
        (r"\${a}", ("${a}",), ("${a}",)),
        (r"\\$(a)", ("\\", "A"), ("\\", "A")),
        (r"\\\$(a)", (r"\$(a)",), (r"\$(a)",)),
        (r"\\\\$(a)", (r"\\", "A"), (r"\\", "A")),
        (r"a\nb$(a)", (r"a\nb", "A"), ("anb", "A")),
        (r"$(a)\$", ("A", r"\$"), ("A", "$")),
        (r"$(a)\ ".rstrip(), ("A", "\\"), ("A", "\\")),
        (r"$(a)\\'", ("A", r"\'"), ("A", r"\'")),
    ],
)
def test_backslashes(text: str, modern: tuple[str, ...], old: tuple[str, ...]) -> None:
    for version, expected in ((True, modern), (False, old)):
        parts = template(text, version)
        assert tuple("A" if isinstance(part, Expression) else part for part in parts) == expected


@given(
    pieces=st.lists(
        st.sampled_from(["$(inputs.a)", "$(self['x y'])", "${ return '}' }"])
        | st.text(string.ascii_letters + " \n(){}'\"`/$.", max_size=12).filter(
            lambda text: "$(" not in text and "${" not in text and not text.endswith("$")
        ),
        max_size=8,
    )
)
def test_what_is_put_together_is_found_again(pieces: list[str]) -> None:
    parts = template("".join(pieces), True)
    expected = [piece for piece in pieces if piece.startswith(("$(inputs", "$(self", "${ return"))]
    found = [part for part in parts if isinstance(part, Expression)]
    assert [f"${{{part.source}}}" if part.body else f"$({part.source})" for part in found] == expected
    rebuilt = [
        part if isinstance(part, str) else f"${{{part.source}}}" if part.body else f"$({part.source})" for part in parts
    ]
    assert "".join(rebuilt) == "".join(pieces)


@given(text=st.text("$(){}[]'\"`\\/*\n ab0.", max_size=60))
def test_any_text_is_split_or_refused(text: str) -> None:
    for modern in (True, False):
        try:
            parts = template(text, modern)
        except ExpressionError:
            continue
        assert all(part for part in parts)


def test_long_hopeless_text_is_refused_quickly() -> None:
    for text in ("$(" * 50_000, "${" + "/" * 100_000, "$(a['" * 20_000, "${`" * 30_000, "$(" + "(" * 100_000):
        with pytest.raises(ExpressionError):
            template(text, True)
