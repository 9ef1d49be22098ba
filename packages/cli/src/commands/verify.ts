import { type NamedReport, seriesChecks } from '@cmcp/evidence';
import type { Arguments } from '../arguments.ts';
import { type Command, JSON_OPTION } from '../command.ts';
import { EXIT, type Io, UsageError } from '../io.ts';
import { reportText, seriesText } from '../report-text.ts';
import { DOCUMENT_OPTIONS, documentExpectations } from '../verify/document.ts';
import { EXPECTATION_OPTIONS, readExpectations } from '../verify/expectations.ts';
import { refuseIdle } from '../verify/idle.ts';
import { writePage } from '../verify/page.ts';
import { type ReportOnFile, reportOn, reportOnPair } from '../verify/report-on.ts';

export const verifyCommand: Command = {
  name: 'verify',
  usage: 'FILE… [options] | --page FILE',
  summary: 'check session files offline: what is proven, asserted, not checked',
  description: [
    'Exit code 0 only when everything required is proven, for every file: integrity, evidence of genuine hardware in the',
    'measured state that you name, the approved policy and catalog, and enforcing mode. Whatever you leave out is reported',
    'as lacking. Each relaxation is a flag, and the report repeats it. Nothing inside a file counts as an expectation.',
    '',
    'Without --key, the keys of dev-mode gateways that ran on this machine for you are tried, and the report says so.',
    'Several files are also checked against each other. TRACE Trust Records, provenance records of servers and Agent Manifests',
    'are verified too. docs/verifying.md says what each verdict means.',
  ],
  options: {
    ...EXPECTATION_OPTIONS,
    ...DOCUMENT_OPTIONS,
    'audit-bundle': {
      value: 'FILE',
      help: 'The audit bundle of a claim in the form of the reference, which is two files.',
    },
    page: { value: 'FILE', help: 'Write the page that verifies in a browser, offline, and verify nothing here.' },
    json: JSON_OPTION,
  },
  examples: [
    [
      'cmcp verify session.cmcp.json --policy-hash sha256:… --catalog-hash sha256:… --measurement sha384:…',
      'The full question',
    ],
    [
      'cmcp verify *.cmcp.json --accept-software --unpinned-policy --unpinned-catalog',
      'Sessions of a dev-mode gateway on this machine',
    ],
    [
      'cmcp verify session.cmcp.json --accept-software --key gateway.jwk --policy policy --catalog catalog.json --json',
      'For a script, with a key, a policy and a catalog that you were given',
    ],
  ],
  async run(given, io) {
    const page = given.one('page');
    if (page !== null) return offerPage(page, given, io);
    const reports = await reportsOn(given, io);
    const series = seriesChecks(reports);
    const broken = series.some(({ outcome }) => outcome === 'failed');
    const verified = !broken && reports.every(({ report }) => report.verdict === 'verified');
    if (given.has('json')) {
      const files = reports.map(({ file, report }) => ({ file, ...report }));
      io.out(`${JSON.stringify({ verified, files, series }, null, 2)}\n`);
    } else {
      const texts = reports.map(({ file, report }) => reportText(file, report, io.color));
      io.out([...texts, ...seriesText(series, io.color)].join('\n'));
    }
    return verified ? EXIT.done : EXIT.refused;
  },
};

async function offerPage(page: string, given: Arguments, io: Io): Promise<number> {
  if (given.positionals.length > 0)
    throw new UsageError('--page writes the page; drop the session file onto it in a browser');
  await writePage(page);
  io.out(`${page} is the verification page. Open it in a browser; it needs no network.\n`);
  return EXIT.done;
}

async function reportsOn(given: Arguments, io: Io): Promise<NamedReport[]> {
  const files = given.positionals;
  const [claim, ...more] = files;
  const bundle = given.one('audit-bundle');
  if (claim === undefined) throw new UsageError('name at least one session file');
  if (bundle !== null && more.length > 0) throw new UsageError('--audit-bundle belongs to one claim');
  const expectations = await readExpectations(given, io);
  if (bundle !== null) return [{ file: claim, report: await reportOnPair(claim, bundle, expectations) }];
  const forDocuments = await documentExpectations(given, expectations);
  const reports: (NamedReport & ReportOnFile)[] = [];
  for (const file of files) reports.push({ file, ...(await reportOn(file, expectations, forDocuments)) });
  refuseIdle(given, new Set(reports.map(({ kind }) => kind)));
  return reports;
}
