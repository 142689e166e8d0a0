"""What can be wrong with a document, its inputs, its expressions or what a tool left behind.

CWLError
├── DocumentError     the document is not valid CWL; lists every problem with its place
├── UnsupportedError  valid, but asks for something that this engine does not do (exit 33 of a CWL runner)
├── InputError        the inputs do not fit the ports; lists every problem
├── ExpressionError   an expression failed, ran too long or gave something unusable
└── OutputError       a required output is missing, or what was produced does not fit its port
"""

from dataclasses import dataclass

from araneus.model.job import Reason


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: ``where`` is a path in the document or a port (``steps/align/in/reads``), ``what`` a sentence.

    ``at`` is the place in the text, ``line 3, column 5``, where that is known.
    """

    where: str
    what: str
    at: str = ""

    def __str__(self) -> str:
        place = f"{self.where} ({self.at})" if self.where and self.at else self.where or self.at
        return f"{place}: {self.what}" if place else self.what


class CWLError(Exception):
    """Root of this package's errors. ``reason`` is how a job that meets it ends."""

    reason = Reason.UNSUPPORTED

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class DocumentError(CWLError):
    """The document is not valid CWL."""


class UnsupportedError(CWLError):
    """The document asks for something that this engine does not do."""


class InputError(CWLError):
    """The inputs do not fit the ports."""

    reason = Reason.BAD_INPUT


class ExpressionError(CWLError):
    """An expression failed."""

    reason = Reason.BAD_EXPRESSION


class OutputError(CWLError):
    """What a tool left behind does not fit its outputs."""

    reason = Reason.BAD_OUTPUT


class MissingOutputError(OutputError):
    """A required output was not produced."""

    reason = Reason.MISSING_OUTPUT
