"""``araneus pack``: one document out of a file and all that it names, ready to be installed as an app."""

import sys
from typing import TextIO

from araneus.cwl.errors import CWLError
from araneus.cwl.load import load_document
from araneus.cwl.pack import pack
from araneus.direct import EXIT_FAILURE, EXIT_SUCCESS, print_json, split_document


def run_pack_command(document: str, *, stdout: TextIO | None = None) -> int:
    """Print ``document`` (``path`` or ``path#id``) packed, as JSON; the exit code. What is wrong with it, also what a
    server would refuse, is said on standard error."""
    try:
        packed = pack(*split_document(document))
        load_document(packed)
    except CWLError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return EXIT_FAILURE
    print_json(packed, stdout or sys.stdout, indent=2)
    return EXIT_SUCCESS
