"""Rules for tools: each looks at one tool where it stands. What the platform does is said in docs/portability.md."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from araneus.cwl.bindings import Binding
from araneus.cwl.process import DRAFT_2, MISSING, CommandLineTool, InputPort
from araneus.lint.findings import Finding, Level, Runner
from araneus.lint.sites import Site, expressions, plain
from araneus.model.values import is_file_value

_PLATFORM: Final = frozenset({Runner.PLATFORM})
_CWL: Final = frozenset({Runner.CWL})
_SERVERS: Final = frozenset({Runner.PLATFORM, Runner.ARANEUS})
_ALL: Final = frozenset(Runner)

_SMALL_MEMORY: Final = 64
"""MiB. Who asks for less than any program of the field needs has probably written GB."""
_RESERVED: Final = frozenset({"cmd.log", "job.err.log"})
_HOST_PATH: Final = re.compile(r"(?<![\w.$)}/-])/(?:home|Users|mnt|media|scratch|data|work|projects?|root)/[\w./-]+")
_INSTALLS: Final = re.compile(
    r"\b(?:apt(?:-get)?\s+(?:-\S+\s+)*install|yum\s+(?:-\S+\s+)*install|pip3?\s+install|(?:micro)?(?:conda|mamba)\s+install"
    r"|install\.packages|BiocManager::install)\b"
)
_FETCHES: Final = re.compile(r"\b(?:wget|curl|aws\s+s3|gsutil)\s+(?!-h|--help|--version)\S+")


def _tool(site: Site) -> CommandLineTool | None:
    return site.process if isinstance(site.process, CommandLineTool) else None


def _texts(tool: CommandLineTool) -> str:
    """The fixed words of the command line and the scripts that are written for it, one per line."""
    words = list(tool.base_command)
    for argument in tool.arguments:
        words += [argument] if isinstance(argument, str) else _words(argument)
    listing = (tool.requirement("InitialWorkDirRequirement") or {}).get("listing")
    for entry in listing if isinstance(listing, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("entry"), str):
            words.append(entry["entry"])
    return "\n".join(word for word in words if isinstance(word, str))


def _words(binding: Binding) -> list[str]:
    return [text for text in (binding.prefix, binding.value_from) if isinstance(text, str)]


def no_image(site: Site) -> Iterator[Finding]:
    """On the platform every tool runs in an image."""
    tool = _tool(site)
    if tool is not None and tool.requirement("DockerRequirement") is None:
        yield Finding(
            code="no-image",
            level=Level.ERROR,
            runners=_PLATFORM,
            where=site.where,
            what="the tool names no container image, and on the platform every tool runs in one",
            advice="add a DockerRequirement with dockerPull; here and in other runners it uses the machine's programs",
        )


def image_is_not_pulled(site: Site) -> Iterator[Finding]:
    """The platform pulls images, and does nothing else with them."""
    docker = (_tool(site) and site.process.requirement("DockerRequirement")) or {}
    others = [key for key in ("dockerFile", "dockerLoad", "dockerImport") if docker.get(key)]
    if others and not docker.get("dockerPull"):
        yield Finding(
            code="image-not-pulled",
            level=Level.ERROR,
            runners=_PLATFORM,
            where=site.at("requirements", "DockerRequirement"),
            what=f"the image comes from {others[0]}, and the platform can only pull images",
            advice="push the image to a registry and name it with dockerPull",
        )
    if docker.get("dockerOutputDirectory"):
        yield Finding(
            code="output-directory",
            level=Level.WARNING,
            runners=_PLATFORM,
            where=site.at("requirements", "DockerRequirement"),
            what="dockerOutputDirectory sets the working directory, which the platform chooses itself",
            advice="let the tool write to its working directory, $(runtime.outdir)",
        )


def image_moves(site: Site) -> Iterator[Finding]:
    """An image without a fixed tag is another one tomorrow."""
    name = ((_tool(site) and site.process.requirement("DockerRequirement")) or {}).get("dockerPull")
    if not isinstance(name, str) or "@" in name or not name.strip():
        return
    tag = name.rpartition("/")[2].partition(":")[2]
    if tag in {"", "latest"}:
        yield Finding(
            code="image-moves",
            level=Level.WARNING,
            runners=_ALL,
            where=site.at("requirements", "DockerRequirement"),
            what=f"the image {name[:100]!r} has no fixed tag: each machine runs what it pulled when it first did",
            advice="name a version, or better a digest (name@sha256:...)",
        )


def memory_is_not_stated(site: Site) -> Iterator[Finding]:
    """What a tool gets that does not say what it needs."""
    tool = _tool(site)
    if tool is None or tool.requirement("sbg:MemRequirement") is not None:
        return
    stated = tool.requirement("ResourceRequirement") or {}
    least = stated.get("ramMin", stated.get("ramMax"))
    place = site.at("requirements", "ResourceRequirement")
    if least is None:
        yield Finding(
            code="memory-not-stated",
            level=Level.NOTE,
            runners=_PLATFORM,
            where=site.where,
            what="the tool does not say how much memory it needs: 1024 MiB are set aside for it on the platform and"
            " here (256 in other runners from v1.2 on), and the platform ends what takes more",
            advice="state ramMin (MiB) and coresMin in a ResourceRequirement",
        )
    elif isinstance(least, int | float) and not isinstance(least, bool) and least < _SMALL_MEMORY:
        yield Finding(
            code="memory-tiny",
            level=Level.WARNING,
            runners=_ALL,
            where=place,
            what=f"ramMin is in MiB, and {least:g} of them are set aside",
            advice=f"if {least:g} GB were meant, write {round(least * 1024)}",
        )


def most_is_ignored(site: Site) -> Iterator[Finding]:
    """Of Min and Max the platform reads Min."""
    stated = (_tool(site) and site.process.requirement("ResourceRequirement")) or {}
    for name in ("cores", "ram"):
        least, most = stated.get(f"{name}Min"), stated.get(f"{name}Max")
        if least is not None and most is not None and least != most:
            yield Finding(
                code="max-ignored",
                level=Level.NOTE,
                runners=_PLATFORM,
                where=site.at("requirements", "ResourceRequirement"),
                what=f"{name}Max is ignored on the platform where {name}Min is given; here it is the limit of the tool",
                advice=f"state in {name}Min what the tool needs",
            )


def platform_resources(site: Site) -> Iterator[Finding]:
    """The platform's own hints come first there and here; nobody else reads them."""
    tool = _tool(site)
    if tool is None or tool.cwl_version == DRAFT_2:
        return
    stated = tool.requirement("ResourceRequirement") or {}
    for name, field in (("sbg:CPURequirement", "coresMin"), ("sbg:MemRequirement", "ramMin")):
        hint = tool.requirement(name)
        if hint is not None and hint.get("value") is not None and stated.get(field) != hint.get("value"):
            yield Finding(
                code="platform-resources",
                level=Level.WARNING,
                runners=_CWL,
                where=site.at("hints", name),
                what=f"{name} counts on the platform and here, before {field}; other runners ignore it",
                advice=f"state the same in ResourceRequirement as {field}",
            )


def network(site: Site) -> Iterator[Finding]:
    """Who may use the network."""
    tool = _tool(site)
    if tool is None:
        return
    access = tool.requirement("NetworkAccess")
    if access is not None and access.get("networkAccess") is not False:
        yield Finding(
            code="network",
            level=Level.NOTE,
            runners=_SERVERS,
            where=site.at("requirements", "NetworkAccess"),
            what="the tool asks for the network, which a project has to allow",
            advice="set allow_network_access in the settings of the project",
        )
    text = _texts(tool)
    if found := _INSTALLS.search(text):
        yield Finding(
            code="installs-software",
            level=Level.WARNING,
            runners=_ALL,
            where=site.where,
            what=f"the command installs software while it runs ({found[0][:60]!r}): it needs the network, often root,"
            " and gives another version tomorrow",
            advice="put the software into the image",
        )
    elif (found := _FETCHES.search(text)) and access is None and tool.cwl_version not in {"v1.0", DRAFT_2}:
        yield Finding(
            code="network-not-asked",
            level=Level.WARNING,
            runners=_ALL,
            where=site.where,
            what=f"the command seems to fetch something ({found[0][:60]!r}) without asking for the network",
            advice="make it an input, or add NetworkAccess (networkAccess: true)",
        )


def host_paths(site: Site) -> Iterator[Finding]:
    """Paths of one machine."""
    tool = _tool(site)
    found = _HOST_PATH.search(_texts(tool)) if tool is not None else None
    if found:
        yield Finding(
            code="host-path",
            level=Level.NOTE,
            runners=_ALL,
            where=site.where,
            what=f"the command names {found[0][:80]!r}, which is only there if the image has it: a tool sees its"
            " image, its inputs and its working directory",
            advice="make it an input; $(runtime.outdir) and $(runtime.tmpdir) are the tool's own directories",
        )


def reserved_logs(site: Site) -> Iterator[Finding]:
    """Names of the platform's own logs."""
    tool = _tool(site)
    for port in tool.outputs if tool is not None else ():
        globs = port.binding.glob if port.binding is not None else ()
        for name in sorted(_RESERVED.intersection(each for each in globs if isinstance(each, str))):
            yield Finding(
                code="reserved-log",
                level=Level.ERROR,
                runners=_PLATFORM,
                where=site.at("outputs", port.id),
                what=f"{name} is a log of the platform's own, which it leaves out of outputs",
                advice="write to another name, for instance with stderr: stderr.txt",
            )


def braces(site: Site) -> Iterator[Finding]:
    """Patterns in braces."""
    tool = _tool(site)
    for port in tool.outputs if tool is not None and tool.cwl_version != DRAFT_2 else ():
        for glob in port.binding.glob if port.binding is not None else ():
            if isinstance(glob, str) and re.search(r"\{[^}]*,[^}]*\}", plain(glob)):
                yield Finding(
                    code="brace-glob",
                    level=Level.WARNING,
                    runners=_CWL,
                    where=site.at("outputs", port.id, "outputBinding", "glob"),
                    what=f"the braces of {glob[:80]!r} stand for several patterns on the platform and here; to other"
                    " runners they are plain characters",
                    advice="write a list of patterns",
                )


def metadata(site: Site) -> Iterator[Finding]:
    """Metadata of files: the platform's own idea."""
    process = site.process
    if process.cwl_version != DRAFT_2:
        read = [part for part, text in expressions(process) if re.search(r"\.metadata\b|\[['\"]metadata['\"]\]", text)]
        if read:
            yield Finding(
                code="file-metadata",
                level=Level.ERROR,
                runners=_CWL,
                where=site.at(read[0]),
                what="an expression reads the metadata of a file, which files have on the platform and here; elsewhere"
                " it is undefined, and reading from it fails",
                advice="test for it first: (file.metadata || {}).sample_id",
            )
    tool = _tool(site)
    for port in tool.outputs if tool is not None and tool.cwl_version != DRAFT_2 else ():
        binding = port.binding
        if binding is not None and (binding.metadata or binding.inherit_metadata_from):
            yield Finding(
                code="output-metadata",
                level=Level.NOTE,
                runners=_CWL,
                where=site.at("outputs", port.id),
                what="sbg:metadata and sbg:inheritMetadataFrom set metadata on the platform and here, nowhere else",
                advice="nothing to do, unless a later step reads it",
            )


def staging(site: Site) -> Iterator[Finding]:
    """Inputs that their port wants in the working directory."""
    for port in site.process.inputs if site.process.cwl_version != DRAFT_2 else ():
        kind = port.extensions.get("sbg:stageInput")
        if _tool(site) is not None and kind in {"link", "copy"}:
            yield Finding(
                code="stage-input",
                level=Level.WARNING,
                runners=_CWL,
                where=site.at("inputs", port.id),
                what="sbg:stageInput puts the file into the working directory on the platform and here, not elsewhere",
                advice="add the input to the listing of an InitialWorkDirRequirement"
                + (", with writable: true" if kind == "copy" else ""),
            )


def local_defaults(site: Site) -> Iterator[Finding]:
    """Defaults that are files of the author's machine."""
    for port in site.process.inputs:
        if _names_a_file(port):
            yield Finding(
                code="local-default",
                level=Level.ERROR,
                runners=_SERVERS,
                where=site.at("inputs", port.id, "default"),
                what="the default is a file beside the document, which no project has",
                advice="`araneus pack` puts small text files into the document; upload others, and offer them with"
                " sbg:suggestedValue",
            )
        if "sbg:suggestedValue" in port.extensions and port.default is MISSING and not site.where:
            yield Finding(
                code="suggested-value",
                level=Level.NOTE,
                runners=_SERVERS,
                where=site.at("inputs", port.id),
                what="sbg:suggestedValue is offered to people; a script that makes a task gets nothing for this input",
                advice="set it in the inputs of the task",
            )


def _names_a_file(port: InputPort) -> bool:
    values = port.default if isinstance(port.default, list) else [port.default]
    return any(is_file_value(value) and bool(value.get("location") or value.get("path")) for value in values)


def updates(site: Site) -> Iterator[Finding]:
    """Files changed where they are."""
    wanted = (_tool(site) and site.process.requirements.get("InplaceUpdateRequirement")) or {}
    if wanted.get("inplaceUpdate"):
        yield Finding(
            code="inplace-update",
            level=Level.WARNING,
            runners=_PLATFORM,
            where=site.at("requirements", "InplaceUpdateRequirement"),
            what="the platform does not say that it knows InplaceUpdateRequirement",
            advice="give the tool a copy (writable: true) and make that an output",
        )


RULES: Final[tuple[Callable[[Site], Iterator[Finding]], ...]] = (
    no_image,
    image_is_not_pulled,
    image_moves,
    memory_is_not_stated,
    most_is_ignored,
    platform_resources,
    network,
    host_paths,
    reserved_logs,
    braces,
    metadata,
    staging,
    local_defaults,
    updates,
)
