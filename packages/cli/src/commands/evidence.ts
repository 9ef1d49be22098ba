import { EVIDENCE_KINDS, type EvidenceKind, verifyEvidence } from '@cmcp/evidence';
import { type Arguments, suggestion } from '../arguments.ts';
import { type Command, JSON_OPTION } from '../command.ts';
import { readCases, runCase } from '../evidence/cases.ts';
import { readEvidenceFiles, readEvidenceGiven } from '../evidence/given.ts';
import { showFile } from '../evidence/show.ts';
import { casesText, evidenceText } from '../evidence/text.ts';
import { EXIT, type Io, UsageError } from '../io.ts';

const ACTIONS = ['verify', 'show'];

export const evidenceCommand: Command = {
  name: 'evidence',
  usage: 'verify --kind KIND --file ROLE=PATH… | verify --manifest FILE | show FILE…',
  summary: 'check or show the evidence of hardware, offline',
  description: [
    'verify asks two questions of a piece of evidence, and answers each: is it authentic (signatures, chain to a pinned root,',
    'inner bindings), and is it acceptable (no debugging, firmware, freshness, your reference values). Exit code 0 only when',
    'both hold. What could not be checked is said, and never counts as good.',
    '',
    'The roots of AMD, Intel, NVIDIA and two clouds are pinned by this program; the certificates come with the evidence.',
    'The network is never asked. docs/verifying.md lists the roles of the files for each kind.',
    '',
    'show prints the structure of any evidence file as a tree.',
  ],
  options: {
    kind: { value: 'KIND', help: `What the evidence is: ${EVIDENCE_KINDS.join(', ')}.` },
    file: {
      value: 'ROLE=PATH',
      multiple: true,
      help: 'A file of the evidence and its role, such as report=report.bin.',
    },
    'user-data': { value: 'HEX', help: 'What the evidence must carry: REPORT_DATA, or the extraData of a quote.' },
    nonce: { value: 'HEX', help: 'The challenge that the evidence must answer.' },
    measurement: {
      value: 'VALUE',
      help: 'The reference value: sha256:… or sha384:… as in claims, or the field in hex.',
    },
    policy: {
      value: 'FILE',
      help: 'What you accept, as JSON: firmware, measurements, registers. See docs/verifying.md.',
    },
    root: { value: 'FILE', multiple: true, help: 'A root certificate to trust besides those of the vendors.' },
    'tpm-makers': { help: 'Trust the roots of TPM makers too; they were collected from one source only.' },
    at: { value: 'TIME', help: 'Judge validity at this RFC 3339 time instead of now.' },
    manifest: { value: 'FILE', help: 'Run every case of a manifest and compare the verdicts with what it expects.' },
    json: JSON_OPTION,
  },
  examples: [
    [
      'cmcp evidence verify --kind sev-snp --file report=report.bin --file vcek=vcek.der --file chain=chain.pem',
      'An SEV-SNP report with its certificates',
    ],
    [
      'cmcp evidence verify --kind tdx --file quote=quote.bin --user-data 5f2c…',
      'A TDX quote that must carry this data',
    ],
    ['cmcp evidence verify --manifest vectors/manifest.json', 'All cases of a collection'],
    ['cmcp evidence show quote.bin', 'What is in a file'],
  ],
  async run(given, io) {
    const [action = '', ...files] = given.positionals;
    if (!ACTIONS.includes(action))
      throw new UsageError(`unknown action ${JSON.stringify(action)}${await suggestion(action, ACTIONS)}`);
    if (action === 'show') return show(files, given, io);
    if (files.length > 0) throw new UsageError(`name the role of ${JSON.stringify(files[0])}: --file ROLE=PATH`);
    const manifest = given.one('manifest');
    return manifest === null ? verifyOne(given, io) : verifyCases(manifest, given, io);
  },
};

async function verifyOne(given: Arguments, io: Io): Promise<number> {
  const kind = kindOf(given.one('kind'));
  const files = await readEvidenceFiles(given.many('file'));
  const verdict = await verifyEvidence(kind, files, await readEvidenceGiven(kind, given));
  io.out(given.has('json') ? `${JSON.stringify(verdict, null, 2)}\n` : evidenceText(verdict, io.color));
  // What is not authentic is not acceptable.
  return verdict.acceptable === true ? EXIT.done : EXIT.refused;
}

function kindOf(name: string | null): EvidenceKind {
  const kind = EVIDENCE_KINDS.find((known) => known === name);
  if (kind === undefined) throw new UsageError(`--kind takes one of ${EVIDENCE_KINDS.join(', ')}`);
  return kind;
}

/** What is said of one piece of evidence; the cases of a manifest say it themselves. */
const OF_ONE = ['kind', 'user-data', 'nonce', 'measurement', 'policy', 'at'];

async function verifyCases(manifest: string, given: Arguments, io: Io): Promise<number> {
  const lists = ['file', 'root'].filter((name) => given.many(name).length > 0);
  const [idle] = [
    ...OF_ONE.filter((name) => given.one(name) !== null),
    ...lists,
    ...(given.has('tpm-makers') ? ['tpm-makers'] : []),
  ];
  if (idle !== undefined) throw new UsageError(`--${idle} does not go with --manifest, whose cases say it themselves`);
  const results = [];
  for (const one of await readCases(manifest)) results.push(await runCase(one));
  const agrees = results.every((result) => result.agrees);
  io.out(given.has('json') ? `${JSON.stringify({ agrees, cases: results }, null, 2)}\n` : casesText(results, io.color));
  return agrees ? EXIT.done : EXIT.refused;
}

async function show(files: readonly string[], given: Arguments, io: Io): Promise<number> {
  if (files.length === 0) throw new UsageError('name at least one file');
  for (const file of files) io.out(await showFile(file, given.has('json')));
  return EXIT.done;
}
