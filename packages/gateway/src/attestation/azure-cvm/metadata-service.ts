import { request } from 'node:http';
import {
  decodeBase64Url,
  EncodingError,
  encodeBase64Url,
  isObject,
  JsonError,
  type JsonObject,
  member,
  parseJson,
  stringifyJson,
} from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';

/** Sends a request to the metadata service of the host: GET, or POST of `json`. Gives the body of an answer of status 200. */
export type MetadataFetch = (path: string, json?: JsonObject) => Promise<Uint8Array<ArrayBuffer>>;

/** The certificates of the processor's key, from Azure's cache of AMD's key distribution service. */
const CERTIFICATION = '/metadata/THIM/amd/certification';
/** Where the host turns a TDREPORT into a quote. */
const TD_QUOTE = '/acc/tdquote';
const ANSWER_MOST = 65_536;
const ANSWER_MS = 10_000;

/** @throws GatewayError COLLATERAL_UNAVAILABLE (in the promise) */
export async function hostCertificates(fetch: MetadataFetch): Promise<{ leaf: string; chain: string }> {
  const answer = await answered(fetch, CERTIFICATION);
  return { leaf: textOf(answer, 'vcekCert', CERTIFICATION), chain: textOf(answer, 'certificateChain', CERTIFICATION) };
}

/**
 * The quote of the TD that made `report`.
 *
 * @param report TDREPORT, 1024 bytes
 * @throws GatewayError COLLATERAL_UNAVAILABLE (in the promise)
 */
export async function hostQuote(fetch: MetadataFetch, report: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await answered(fetch, TD_QUOTE, { report: encodeBase64Url(report) });
  try {
    return decodeBase64Url(textOf(answer, 'quote', TD_QUOTE));
  } catch (error) {
    if (error instanceof EncodingError) throw unavailable(TD_QUOTE, `the quote is ${error.message}`, error);
    throw error;
  }
}

/**
 * The metadata service of an Azure VM. It is the host itself, at an address that no router forwards, so no proxy is used.
 *
 * @param port another than 80 is for tests
 */
export function azureMetadata(host = '169.254.169.254', port = 80): MetadataFetch {
  return (path, json) =>
    new Promise((resolve, reject) => {
      const refuse = (why: string, cause?: unknown) => reject(unavailable(path, why, cause));
      const body = json === undefined ? null : stringifyJson(json);
      const headers = { metadata: 'true', ...(body !== null && { 'content-type': 'application/json' }) };
      const method = body === null ? 'GET' : 'POST';
      const signal = AbortSignal.timeout(ANSWER_MS);
      const asking = request({ host, port, path, method, headers, agent: false, signal }, (answer) => {
        const parts: Buffer[] = [];
        let size = 0;
        answer.on('data', (part: Buffer) => {
          size += part.length;
          if (size > ANSWER_MOST) asking.destroy(new Error(`the answer has more than ${ANSWER_MOST} bytes`));
          else parts.push(part);
        });
        answer.on('end', () => {
          if (answer.statusCode === 200) resolve(new Uint8Array(Buffer.concat(parts)));
          else refuse(`it answered with status ${answer.statusCode}`);
        });
        answer.on('error', (error) => refuse(error.message, error));
      });
      asking.on('error', (error) => refuse(error.message, error));
      asking.end(body ?? undefined);
    });
}

async function answered(fetch: MetadataFetch, path: string, json?: JsonObject): Promise<JsonObject> {
  const bytes = await fetch(path, json);
  try {
    const value = parseJson(bytes, { bytes: ANSWER_MOST, depth: 4 });
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof JsonError) && !(error instanceof EncodingError)) throw error;
    throw unavailable(path, error.message, error);
  }
  throw unavailable(path, 'it answered with no JSON object');
}

function textOf(answer: JsonObject, name: string, path: string): string {
  const value = member(answer, name);
  if (typeof value !== 'string') throw unavailable(path, `its answer has no text ${name}`);
  return value;
}

function unavailable(path: string, why: string, cause?: unknown): GatewayError {
  return new GatewayError('COLLATERAL_UNAVAILABLE', `the metadata service of Azure, ${path}: ${why}`, { cause });
}
