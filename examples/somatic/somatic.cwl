cwlVersion: v1.2
class: Workflow
id: somatic-small-variants
label: Somatic small variants (tumor-normal)
doc: |
  Finds the single nucleotide variants and indels that a tumour has and the normal sample of the same person has not.
  Reads are counted region by region; the regions run side by side.
$namespaces:
  sbg: https://sevenbridges.com

requirements:
  ScatterFeatureRequirement: {}
  InlineJavascriptRequirement: {}
  StepInputExpressionRequirement: {}

inputs:
  input_fasta_file:
    type: File
    label: Reference genome
    sbg:fileTypes: FA, FASTA
  Normal_BAM:
    type: File
    label: Reads of the normal sample
    secondaryFiles: [.bai]
    sbg:fileTypes: BAM
  Tumor_BAM:
    type: File
    label: Reads of the tumour sample
    secondaryFiles: [.bai]
    sbg:fileTypes: BAM
  region_length:
    type: int?
    default: 2500
    label: Bases in one region
  minimum_fraction:
    type: float?
    default: 0.12
    label: Smallest fraction of tumour reads with the variant

outputs:
  High_Confidence_SNPs:
    type: File
    outputSource: select_snps/variants
  High_Confidence_INDELs:
    type: File
    outputSource: select_indels/variants
  empty_contigs:
    type: File
    outputSource: list_empty_contigs/contigs

steps:
  index_reference:
    in: {fasta: input_fasta_file}
    out: [indexed]
    run:
      class: CommandLineTool
      label: samtools faidx
      requirements:
        InitialWorkDirRequirement:
          listing:
            - entryname: faidx.py
              entry: |
                import shutil, sys
                import pysam
                shutil.copyfile(sys.argv[1], sys.argv[2])
                pysam.faidx(sys.argv[2])
      hints: &tools
        DockerRequirement:
          dockerPull: quay.io/biocontainers/pysam:0.22.1--py39hcada746_0
        ResourceRequirement: {coresMin: 1, ramMin: 256}
      baseCommand: [python, faidx.py]
      inputs:
        fasta:
          type: File
          inputBinding: {position: 1}
      arguments:
        - position: 2
          valueFrom: $(inputs.fasta.basename)
      outputs:
        indexed:
          type: File
          secondaryFiles: [.fai]
          outputBinding: {glob: $(inputs.fasta.basename)}

  make_regions:
    in:
      index:
        source: index_reference/indexed
        valueFrom: $(self.secondaryFiles[0])
      length: region_length
    out: [regions, contigs]
    run:
      class: ExpressionTool
      label: Regions
      requirements:
        InlineJavascriptRequirement: {}
      inputs:
        index:
          type: File
          loadContents: true
        length: int
      outputs:
        regions: string[]
        contigs: string[]
      expression: |
        ${
          var regions = [];
          var contigs = [];
          inputs.index.contents.split("\n").filter(line => line.length > 0).forEach(line => {
            const [name, bases] = line.split("\t");
            contigs.push(name);
            for (let start = 1; start <= Number(bases); start += inputs.length) {
              const end = Math.min(start + inputs.length - 1, Number(bases));
              regions.push(`${name}:${start}-${end}`);
            }
          });
          return {regions: regions, contigs: contigs};
        }

  call:
    scatter: region
    in:
      reference: index_reference/indexed
      normal: Normal_BAM
      tumor: Tumor_BAM
      region: make_regions/regions
      minimum_fraction: minimum_fraction
    out: [variants]
    run:
      class: CommandLineTool
      label: Count alleles and call
      requirements:
        InlineJavascriptRequirement: {}
        InitialWorkDirRequirement:
          listing:
            - entryname: call.py
              entry: |
                import collections, math, sys
                import pysam

                fasta, normal, tumor, region, fraction = sys.argv[1:6]
                contig, _, span = region.rpartition(":")
                start, end = (int(number) for number in span.split("-"))
                reference = pysam.FastaFile(fasta)

                def alleles(bam):
                    """Position -> allele -> fragments that show it; an allele is (REF, ALT) as in VCF."""
                    counts = collections.defaultdict(lambda: collections.defaultdict(set))
                    with pysam.AlignmentFile(bam) as reads:
                        columns = reads.pileup(
                            contig, start - 1, end, truncate=True, stepper="samtools", fastafile=reference,
                            min_base_quality=15, min_mapping_quality=20, compute_baq=False, ignore_overlaps=False,
                        )
                        for column in columns:
                            position = column.reference_pos
                            for read in column.pileups:
                                if read.is_del or read.is_refskip:
                                    continue
                                base = reference.fetch(contig, position, position + 1).upper()
                                shown = read.alignment.query_sequence[read.query_position]
                                allele = (base, shown)
                                if read.indel > 0:
                                    first = read.query_position + 1
                                    allele = (base, base + read.alignment.query_sequence[first : first + read.indel])
                                elif read.indel < 0:
                                    allele = (reference.fetch(contig, position, position + 1 - read.indel).upper(), base)
                                counts[position][allele].add(read.alignment.query_name)
                    return counts

                in_normal, in_tumor = alleles(normal), alleles(tumor)
                length = reference.get_reference_length(contig)
                print("##fileformat=VCFv4.2")
                for name in reference.references:
                    print(f"##contig=<ID={name},length={reference.get_reference_length(name)}>")
                print('##INFO=<ID=AF,Number=A,Type=Float,Description="Fraction of tumour fragments with the variant">')
                print('##INFO=<ID=DP,Number=1,Type=Integer,Description="Tumour fragments at the position">')
                print("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]))
                for position in sorted(in_tumor):
                    depth = len(set().union(*in_tumor[position].values()))
                    normal_depth = len(set().union(*in_normal[position].values())) if position in in_normal else 0
                    for (ref, alt), fragments in sorted(in_tumor[position].items()):
                        if ref == alt or depth < 8 or normal_depth < 8 or len(fragments) < 4:
                            continue
                        observed = len(fragments) / depth
                        if observed < float(fraction) or len(in_normal[position].get((ref, alt), ())) > 1:
                            continue
                        # Phred-scaled chance of so many fragments by sequencing errors of 1 %.
                        quality = min(255, round(-10 * math.log10(0.01) * len(fragments) * observed, 1))
                        print(f"{contig}\t{position + 1}\t.\t{ref}\t{alt}\t{quality}\tPASS\tAF={observed:.3f};DP={depth}")
      hints: *tools
      baseCommand: [python, call.py]
      stdout: $(inputs.region.replace(/[^A-Za-z0-9_.-]/g, "_")).vcf
      inputs:
        reference:
          type: File
          secondaryFiles: [.fai]
          inputBinding: {position: 1}
        normal:
          type: File
          secondaryFiles: [.bai]
          inputBinding: {position: 2}
        tumor:
          type: File
          secondaryFiles: [.bai]
          inputBinding: {position: 3}
        region:
          type: string
          inputBinding: {position: 4}
        minimum_fraction:
          type: float
          inputBinding: {position: 5}
      outputs:
        variants:
          type: stdout

  merge:
    in:
      parts: call/variants
      reference: index_reference/indexed
    out: [variants]
    run:
      class: CommandLineTool
      label: bcftools concat and norm
      requirements:
        InitialWorkDirRequirement:
          listing:
            - entryname: merge.py
              entry: |
                import sys
                from pysam import bcftools
                reference, *parts = sys.argv[1:]
                bcftools.concat("-o", "all.vcf", *parts, catch_stdout=False)
                bcftools.norm("-f", reference, "-o", "normal.vcf", "all.vcf", catch_stdout=False)
                bcftools.sort("-o", "merged.vcf", "normal.vcf", catch_stdout=False)
      hints: *tools
      baseCommand: [python, merge.py]
      inputs:
        reference:
          type: File
          secondaryFiles: [.fai]
          inputBinding: {position: 1}
        parts:
          type: File[]
          inputBinding: {position: 2}
      outputs:
        variants:
          type: File
          outputBinding: {glob: merged.vcf}

  select_snps:
    in:
      variants: merge/variants
      kind: {default: snps}
      name:
        source: Tumor_BAM
        valueFrom: $(self.nameroot).snps.vcf
    out: [variants]
    run: &select
      class: CommandLineTool
      label: bcftools view
      requirements:
        InitialWorkDirRequirement:
          listing:
            - entryname: select.py
              entry: |
                import sys
                from pysam import bcftools
                variants, kind, name = sys.argv[1:]
                bcftools.view("-v", kind, "-i", "QUAL>=20", "-o", name, variants, catch_stdout=False)
      hints: *tools
      baseCommand: [python, select.py]
      inputs:
        variants:
          type: File
          inputBinding: {position: 1}
        kind:
          type: {type: enum, symbols: [snps, indels]}
          inputBinding: {position: 2}
        name:
          type: string
          inputBinding: {position: 3}
      outputs:
        variants:
          type: File
          outputBinding: {glob: $(inputs.name)}

  select_indels:
    in:
      variants: merge/variants
      kind: {default: indels}
      name:
        source: Tumor_BAM
        valueFrom: $(self.nameroot).indels.vcf
    out: [variants]
    run: *select

  list_empty_contigs:
    in:
      variants: merge/variants
      contigs: make_regions/contigs
    out: [contigs]
    run:
      class: CommandLineTool
      label: Contigs without variants
      requirements:
        InitialWorkDirRequirement:
          listing:
            - entryname: empty.py
              entry: |
                import sys
                import pysam
                variants, *contigs = sys.argv[1:]
                with pysam.VariantFile(variants) as records:
                    called = {record.contig for record in records}
                print("\n".join(name for name in contigs if name not in called))
      hints: *tools
      baseCommand: [python, empty.py]
      stdout: empty_contigs.txt
      inputs:
        variants:
          type: File
          inputBinding: {position: 1}
        contigs:
          type: string[]
          inputBinding: {position: 2}
      outputs:
        contigs:
          type: stdout
