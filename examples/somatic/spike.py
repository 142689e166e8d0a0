"""Make the data of the somatic example from real reads: a tumour is the normal's reads with known variants in them.

    python spike.py READS.bam REFERENCE.fa OUTPUT_DIRECTORY

Writes ``reference.fa``, ``normal.bam``, ``tumor.bam`` (each with its ``.bai``) and ``truth.vcf``. The variants are a
seeded choice: the same input gives the same output. README.md says where the reads come from.
"""

import random
import shutil
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pysam
from pysam import bcftools

SEED = 20120612
SNVS = 36
INDELS = 14
SPACING = 150
FRACTION = (0.35, 0.55)
DECOY_LENGTH = 1200


@dataclass(frozen=True)
class Variant:
    """``position`` is 0-based; ``ref`` and ``alt`` are as in VCF, with the anchor base for indels."""

    position: int
    ref: str
    alt: str
    fraction: float

    @property
    def length(self) -> int:
        """Inserted (positive) or deleted (negative) bases; 0 for a substitution."""
        return len(self.alt) - len(self.ref)


def clean_positions(reads: list[pysam.AlignedSegment], sequence: str) -> list[int]:
    """Where a variant can be told apart: covered well, and with hardly any read that disagrees with the reference."""
    depth: dict[int, int] = defaultdict(int)
    odd: dict[int, int] = defaultdict(int)
    for read in reads:
        if read.is_unmapped or read.mapping_quality < 30 or read.is_secondary or read.is_supplementary:
            continue
        query = read.query_sequence or ""
        for at, position in read.get_aligned_pairs():
            if position is None:
                continue
            depth[position] += 1
            if at is None or query[at] != sequence[position]:
                odd[position] += 1
        for position in _indel_positions(read):
            odd[position] += 1
    noisy = {position for position, count in odd.items() if count / depth[position] > 0.05}
    return [
        position
        for position in range(200, len(sequence) - 200)
        if depth[position] >= 22 and not any(near in noisy for near in range(position - 12, position + 13))
    ]


def _indel_positions(read: pysam.AlignedSegment) -> list[int]:
    found, position = [], read.reference_start
    for operation, length in read.cigartuples or ():
        if operation in {1, 2}:
            found.append(position - 1)
        if operation in {0, 2, 3, 7, 8}:
            position += length
    return found


def unique_place(sequence: str, position: int, length: int) -> bool:
    """Whether an indel after this position has one representation only: no repeat around it."""
    around = sequence[position - 10 : position + 12 + length]
    return all(around.count(around[at : at + 3]) == 1 for at in range(len(around) - 3))


def choose(positions: list[int], sequence: str, rng: random.Random) -> list[Variant]:
    """A seeded choice of variants, `SPACING` bases apart or more."""
    chosen: list[Variant] = []
    wanted = {"snv": SNVS, "indel": INDELS}
    shuffled = positions[:]
    rng.shuffle(shuffled)
    for position in shuffled:
        if any(abs(position - other.position) < SPACING for other in chosen):
            continue
        fraction = rng.uniform(*FRACTION)
        base = sequence[position]
        if wanted["indel"]:
            length = rng.choice([1, 2, 3, 5])
            if not unique_place(sequence, position, length):
                continue
            if rng.random() < 0.5:
                variant = Variant(position, sequence[position : position + length + 1], base, fraction)
            else:
                inserted = "".join(rng.choice("ACGT") for _ in range(length))
                if inserted[-1] == base or inserted[0] == sequence[position + 1]:
                    continue
                variant = Variant(position, base, base + inserted, fraction)
            wanted["indel"] -= 1
        elif wanted["snv"]:
            variant = Variant(position, base, rng.choice([other for other in "ACGT" if other != base]), fraction)
            wanted["snv"] -= 1
        else:
            break
        chosen.append(variant)
    if any(wanted.values()):
        raise SystemExit(f"Not enough clean positions: {wanted} left to place.")
    return sorted(chosen, key=lambda variant: variant.position)


def spike(read: pysam.AlignedSegment, variant: Variant) -> None:
    """Write the variant into one read, in place, when the read spans it in one aligned block."""
    pairs = read.get_aligned_pairs()
    index = {position: number for number, (_, position) in enumerate(pairs) if position is not None}
    last = variant.position + max(0, -variant.length) + 1
    numbers = [index.get(position) for position in range(variant.position, last + 1)]
    if any(number is None or pairs[number][0] is None for number in numbers):
        return
    at = pairs[index[variant.position]][0]
    assert at is not None
    sequence, qualities = read.query_sequence or "", read.query_qualities
    if variant.length == 0:
        sequence = sequence[:at] + variant.alt + sequence[at + 1 :]
    elif variant.length > 0:
        extra = variant.alt[1:]
        sequence = sequence[: at + 1] + extra + sequence[at + 1 :]
        qualities = qualities[: at + 1] + qualities[at : at + 1] * len(extra) + qualities[at + 1 :]
    else:
        sequence = sequence[: at + 1] + sequence[at + 1 - variant.length :]
        qualities = qualities[: at + 1] + qualities[at + 1 - variant.length :]
    cigar = _spiked_cigar(read, at, variant.length)
    read.query_sequence = sequence
    read.query_qualities = qualities
    read.cigartuples = cigar
    for tag in ("MD", "NM"):
        read.set_tag(tag, None)


def _spiked_cigar(read: pysam.AlignedSegment, at: int, length: int) -> list[tuple[int, int]]:
    """The CIGAR with an insertion or deletion of ``length`` after query base ``at``, inside an aligned block."""
    made: list[tuple[int, int]] = []
    query = 0
    for operation, count in read.cigartuples or ():
        consumes = operation in {0, 1, 4, 7, 8}
        if length and operation == 0 and query <= at < query + count:
            before = at + 1 - query
            made.append((0, before))
            made.append((1, length) if length > 0 else (2, -length))
            made.append((0, count - before if length > 0 else count - before + length))
        else:
            made.append((operation, count))
        query += count if consumes else 0
    return made


def write_reference(target: Path, name: str, sequence: str, rng: random.Random) -> None:
    """The reference and a decoy contig on which no read lies: bases of the first, shuffled."""
    decoy = list(sequence[:DECOY_LENGTH])
    rng.shuffle(decoy)
    with target.open("w") as stream:
        for contig, bases in ((name, sequence), (f"{name}_decoy", "".join(decoy))):
            stream.write(f">{contig}\n")
            stream.writelines(bases[start : start + 60] + "\n" for start in range(0, len(bases), 60))


def write_bam(target: Path, header: dict[str, object], reads: list[pysam.AlignedSegment], sample: str) -> None:
    """A sorted, indexed BAM of one sample."""
    groups = [{"ID": "1", "SM": sample, "PL": "ILLUMINA", "LB": "1"}]
    with pysam.AlignmentFile(str(target), "wb", header={**header, "RG": groups}) as stream:
        for read in reads:
            moved = pysam.AlignedSegment.from_dict(read.to_dict(), stream.header)
            moved.set_tag("RG", "1")
            stream.write(moved)
    pysam.index(str(target))


def write_truth(target: Path, reference: Path, name: str, length: int, variants: list[Variant]) -> None:
    """The spiked variants as VCF, each in its leftmost form, so that callers can be compared by text."""
    lines = [
        "##fileformat=VCFv4.2",
        f"##contig=<ID={name},length={length}>",
        '##INFO=<ID=AF,Number=A,Type=Float,Description="Fraction of tumour fragments that were given the variant">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
    ]
    lines += [f"{name}\t{v.position + 1}\t.\t{v.ref}\t{v.alt}\t.\tPASS\tAF={v.fraction:.2f}" for v in variants]
    with tempfile.TemporaryDirectory() as scratch:
        # Beside a copy of the reference, so that no index of it is left in the data.
        shutil.copyfile(reference, Path(scratch, "reference.fa"))
        Path(scratch, "raw.vcf").write_text("\n".join(lines) + "\n")
        options = ["--no-version", "-f", f"{scratch}/reference.fa", "-o", f"{scratch}/left.vcf"]
        bcftools.norm(*options, f"{scratch}/raw.vcf", catch_stdout=False)
        bcftools.sort("-o", str(target), f"{scratch}/left.vcf", catch_stdout=False)
    kept = [line for line in target.read_text().splitlines(keepends=True) if not line.startswith("##bcftools")]
    target.write_text("".join(kept))


def main(bam: str, fasta: str, output: str) -> None:
    """Read the two inputs and write the five files."""
    rng = random.Random(SEED)
    directory = Path(output)
    reference = pysam.FastaFile(fasta)
    name = reference.references[0]
    sequence = reference.fetch(name).upper()
    with pysam.AlignmentFile(bam) as source:
        contigs = [{"SN": name, "LN": len(sequence)}, {"SN": f"{name}_decoy", "LN": DECOY_LENGTH}]
        header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": contigs}
        reads = list(source.fetch(until_eof=True))
    variants = choose(clean_positions(reads, sequence), sequence, rng)
    write_reference(directory / "reference.fa", name, sequence, rng)
    write_bam(directory / "normal.bam", header, reads, "normal")
    carriers: dict[str, list[Variant]] = defaultdict(list)
    for variant in variants:
        fragments = sorted({
            str(read.query_name)
            for read in reads
            if not read.is_unmapped and read.reference_start <= variant.position < (read.reference_end or 0)
        })  # fmt: skip
        for fragment in rng.sample(fragments, round(len(fragments) * variant.fraction)):
            carriers[fragment].append(variant)
    for read in reads:
        # From right to left, so that a change of length moves nothing that is still to come.
        for variant in reversed(carriers.get(str(read.query_name), [])):
            if not read.is_unmapped:
                spike(read, variant)
    write_bam(directory / "tumor.bam", header, reads, "tumor")
    write_truth(directory / "truth.vcf", directory / "reference.fa", name, len(sequence), variants)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
