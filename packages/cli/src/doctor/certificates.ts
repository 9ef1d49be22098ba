import {
  type Certificate,
  FormatError,
  isObject,
  JsonError,
  type JsonValue,
  member,
  parseJson,
  parseTimestamp,
  readCertificates,
  readCrl,
} from '@cmcp/evidence';
import { type Condition, type Config, GatewayError, ok, problem, readTlsFiles, warning } from '@cmcp/gateway';
import type { DoctorSystem } from './system.ts';

const DAY_MS = 86_400_000;
/** Renewing takes people: this is when to tell them. */
const SOON_MS = 30 * DAY_MS;

/** Files that expire: the certificate of the attestation key, that of the listener, roots, and what makers publish. */
export async function certificateConditions(system: DoctorSystem, config: Config): Promise<Condition[]> {
  const { tpm, roots } = config.attestation;
  const conditions: Condition[] = [];
  if (tpm.akCertificate !== null)
    conditions.push(await chain(system, 'attestation key', tpm.akCertificate, 'Renew it with `cmcp attest enroll`.'));
  for (const root of roots) conditions.push(await chain(system, 'root', root, 'Replace it in `attestation.roots`.'));
  conditions.push(await tls(system, config), ...(await collateral(system, config.attestation.collateral)));
  return conditions;
}

async function chain(system: DoctorSystem, about: string, path: string, fix: string): Promise<Condition> {
  const bytes = await system.read(path);
  if (bytes === null) return problem(about, `${path} cannot be read`, fix);
  try {
    const certificates = readCertificates(bytes);
    const spans = certificates.map(({ notBefore, notAfter }) => ({ from: notBefore * 1000, to: notAfter * 1000 }));
    return within(system, about, path, spans, fix);
  } catch (error) {
    if (error instanceof FormatError) return problem(about, `${path}: ${error.message}`, fix);
    throw error;
  }
}

/** A time in which something holds, milliseconds since the epoch. */
interface Span {
  from: number;
  to: number;
}

function within({ nowMs }: DoctorSystem, about: string, path: string, spans: readonly Span[], fix: string): Condition {
  const now = nowMs();
  const from = Math.max(...spans.map((span) => span.from));
  const to = Math.min(...spans.map((span) => span.to));
  if (now < from) return problem(about, `${path} is valid only from ${day(from)} on`, `Look at the clock. ${fix}`);
  if (now >= to) return problem(about, `${path} expired on ${day(to)}`, fix);
  if (now >= to - SOON_MS) return warning(about, `${path} expires on ${day(to)}`, fix);
  return ok(about, `${path} is valid until ${day(to)}`);
}

async function tls(system: DoctorSystem, { tls: settings }: Config): Promise<Condition> {
  const about = 'TLS';
  if (settings === null) return ok(about, 'off: agents connect on this machine only');
  if (settings.kind === 'generated') return ok(about, 'a key in memory; clients check it with `cmcp connect`');
  const fix = 'Renew the certificate; the gateway reads it again by itself.';
  try {
    const { expiresMs } = await readTlsFiles(settings, system.nowMs());
    return within(system, about, settings.certificate, [{ from: 0, to: expiresMs }], fix);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return problem(about, error.detail, 'Give `tls` a certificate that is valid now, and its key.');
  }
}

/** What makers publish for SEV-SNP and TDX; a TPM needs none of it. */
async function collateral(system: DoctorSystem, folder: string): Promise<Condition[]> {
  const about = 'collateral';
  const fix = 'Run `cmcp attest fetch-collateral`.';
  const files = ((await system.filesBelow(folder)) ?? []).filter((path) => /\.(?:pem|der|json)$/.test(path)).sort();
  if (files.length === 0) return [ok(about, `${folder} holds none; only SEV-SNP and TDX need it`)];
  const conditions = await Promise.all(
    files.map(async (path) => {
      const span = spanOf(path, await system.read(path));
      if (typeof span === 'string') return problem(about, `${path}: ${span}`, fix);
      return within(system, about, path, [span], fix);
    }),
  );
  const notable = conditions.filter(({ status }) => status !== 'ok');
  const good = files.length - notable.length;
  return good === 0 ? notable : [ok(about, `${good} of ${files.length} files in ${folder} are valid`), ...notable];
}

/** When a file of collateral holds, or what is wrong with it. */
function spanOf(path: string, bytes: Uint8Array<ArrayBuffer> | null): Span | string {
  if (bytes === null) return 'cannot be read';
  try {
    if (path.endsWith('.json')) return spanOfJson(bytes);
    if (path.endsWith('crl.der')) {
      const { thisUpdate, nextUpdate } = readCrl(bytes);
      return { from: thisUpdate * 1000, to: nextUpdate === null ? Number.MAX_SAFE_INTEGER : nextUpdate * 1000 };
    }
    return spanOfAll(readCertificates(bytes));
  } catch (error) {
    if (error instanceof FormatError || error instanceof JsonError) return error.message;
    throw error;
  }
}

function spanOfAll(certificates: readonly Certificate[]): Span {
  return {
    from: Math.max(...certificates.map(({ notBefore }) => notBefore)) * 1000,
    to: Math.min(...certificates.map(({ notAfter }) => notAfter)) * 1000,
  };
}

/** TCB info and QE identity say when they were issued and when the next is due (Intel, "TCB Info", "Enclave identity"). */
function spanOfJson(bytes: Uint8Array<ArrayBuffer>): Span | string {
  const value = parseJson(bytes);
  const signed = isObject(value) ? (member(value, 'tcbInfo') ?? member(value, 'enclaveIdentity')) : undefined;
  if (signed === undefined || !isObject(signed)) return 'it is neither TCB info nor the identity of a quoting enclave';
  const [from, to] = [timeOf(member(signed, 'issueDate')), timeOf(member(signed, 'nextUpdate'))];
  return from === null || to === null ? 'it does not say when it holds' : { from, to };
}

/** Milliseconds since the epoch. */
function timeOf(text: JsonValue | undefined): number | null {
  const micros = typeof text === 'string' ? parseTimestamp(text) : null;
  return micros === null ? null : micros / 1000;
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
