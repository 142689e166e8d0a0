"""Job files: relative references, descriptions, problems."""

from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.errors import CWLError, InputError
from araneus.scheduler.jobfile import read_job


def write(directory: Path, text: str) -> Path:
    path = directory / "job.yml"
    path.write_text(text)
    return path


def inputs(directory: Path, text: str) -> dict[str, Any]:
    return read_job(write(directory, text)).inputs


def test_references_are_relative_to_the_job_file_and_described(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a b.tar.gz").write_text("four")
    (tmp_path / "sub/a b.tar.gz.tbi").write_text("1")
    expected = {
        "class": "File",
        "location": (tmp_path / "sub/a b.tar.gz").as_uri(),
        "basename": "a b.tar.gz",
        "nameroot": "a b.tar",
        "nameext": ".gz",
        "size": 4,
    }
    uri = expected["location"]
    for reference in ("location: sub/a%20b.tar.gz", "path: sub/a b.tar.gz", "path: ./sub/../sub/a b.tar.gz",
                      f"location: {uri}", f"path: {tmp_path}/sub/a b.tar.gz"):  # fmt: skip
        found = inputs(tmp_path, f"f: [{{class: File, {reference}}}]")["f"][0]
        assert {key: found[key] for key in expected} == expected, reference
    found = inputs(
        tmp_path,
        "f: {class: File, path: sub/a b.tar.gz, basename: x.vcf, secondaryFiles: "
        "[{class: File, path: sub/a b.tar.gz.tbi}]}",
    )["f"]
    assert (found["basename"], found["nameroot"], found["secondaryFiles"][0]["size"]) == ("x.vcf", "x", 1)


def test_odd_names_are_taken_literally_in_paths(tmp_path: Path) -> None:
    for name in ("a#b", "a%20b", "ü?x", "a'b\"c"):
        (tmp_path / name).write_text("x")
        job = tmp_path / "job.json"
        escaped = name.replace('"', '\\"')
        job.write_text(f'{{"f": {{"class": "File", "path": "{escaped}"}}}}')
        assert read_job(job).inputs["f"]["location"] == (tmp_path / name).as_uri()


def test_literals_records_and_directories(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    found = inputs(
        tmp_path,
        "r: {in: {class: File, contents: hello}}\nd: {class: Directory, location: d/}\n"
        "l: {class: Directory, basename: l, listing: [{class: File, basename: x, contents: ''}]}",
    )
    assert found["r"]["in"] == {"class": "File", "contents": "hello"}
    assert found["d"] == {"class": "Directory", "location": (tmp_path / "d").as_uri(), "basename": "d"}
    assert found["l"]["listing"] == [{"class": "File", "basename": "x", "contents": ""}]


def test_keys_may_be_full_ids_and_directives_are_taken_out(tmp_path: Path) -> None:
    job = read_job(write(tmp_path, "doc.cwl#main/x: 1\n'#y': 2\ncwl:tool: doc.cwl\n$schemas: []\n"))
    assert (job.inputs, job.tool) == ({"x": 1, "y": 2}, "doc.cwl")


def test_requirements_in_both_forms(tmp_path: Path) -> None:
    listed = read_job(write(tmp_path, "cwl:requirements: [{class: ShellCommandRequirement}]"))
    mapped = read_job(write(tmp_path, "cwl:requirements: {ShellCommandRequirement: {}}"))
    assert listed.requirements == mapped.requirements == ({"class": "ShellCommandRequirement"},)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    text = (
        "a: {class: File, path: nowhere}\nb: [1, {class: File}]\nc: {class: Directory, path: job.yml}\n"
        "d: {class: File, path: .}\ne: {class: File, location: 's3://bucket/x'}"
    )
    with pytest.raises(InputError) as caught:
        read_job(write(tmp_path, text))
    assert [problem.where for problem in caught.value.problems] == ["a", "b[1]", "c", "d", "e"]


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2]",
        "text",
        "{a: [}",
        "cwl:requirements: 3",
        "f: " + "[" * 200 + "]" * 200,
        'f: {class: File, path: "a\\0b"}',
        "f: {class: File, path: " + "x/" * 3000 + "}",
        "f: {class: File, location: [1]}",
        "f: {class: File, location: 'file://%zz'}",
    ],
)
def test_hostile_job_files_give_clear_errors(tmp_path: Path, text: str) -> None:
    with pytest.raises(CWLError):
        read_job(write(tmp_path, text))


def test_an_empty_job_file_has_no_inputs(tmp_path: Path) -> None:
    assert read_job(write(tmp_path, "")).inputs == {}
