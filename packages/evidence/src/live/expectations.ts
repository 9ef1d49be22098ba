import { encodeUtf8 } from '../bytes/utf8.ts';
import { type Certificate, readCertificates } from '../crypto/x509.ts';
import { type Expectations, relaxationsOf } from '../expectations.ts';
import { FormatError } from '../format-error.ts';
import type { TrustAnchor } from '../hardware/given.ts';
import { EVIDENCE_POLICY_RULE } from '../hardware/policy-file.ts';
import { readJsonObject } from '../json/document.ts';
import type { JsonObject } from '../json/value.ts';
import { readKeyText } from '../relying-party.ts';
import { givenAnchor } from '../roots/given.ts';
import { flag, integer, list, object, oneOf, text } from '../shape.ts';

/**
 * What the relying party expects of a gateway that it talks to, from its own sources. Everything left out is either required and
 * then lacking, or not looked at.
 */
export interface LiveExpectations
  extends Pick<
    Expectations,
    | 'keys'
    | 'policyHash'
    | 'catalogHash'
    | 'measurement'
    | 'gatewayMeasurement'
    | 'immutableImage'
    | 'anchors'
    | 'evidencePolicy'
    | 'acceptSoftware'
    | 'acceptSoftwareTpm'
    | 'acceptOperatorRoot'
    | 'allowModes'
    | 'unpinnedPolicy'
    | 'unpinnedCatalog'
    | 'maxAgeSeconds'
  > {
  /** Relaxation: the connection may be without TLS. Only for one that does not leave the machine. */
  acceptNoTls?: boolean;
}

/** The relaxations in force, by their names in a file of expectations. */
export function liveRelaxationsOf(expectations: LiveExpectations): string[] {
  const named = relaxationsOf(expectations).map(memberOf);
  return expectations.acceptNoTls === true ? [...named, 'accept: no-tls'] : named;
}

/** Members of a file of expectations, by the flags of `cmcp verify` that mean the same. */
const MEMBERS: Record<string, string> = {
  '--key': 'keys',
  '--policy-hash': 'policy_hash',
  '--catalog-hash': 'catalog_hash',
  '--measurement': 'measurement',
  '--gateway-measurement': 'gateway_measurement',
  '--immutable-image': 'immutable_image',
  '--root': 'roots',
  '--evidence-policy': 'evidence_policy',
  '--accept-software': 'accept: software',
  '--accept-software-tpm': 'accept: software-tpm',
  '--accept-operator-root': 'accept: operator-root',
  '--unpinned-policy': 'accept: any-policy',
  '--unpinned-catalog': 'accept: any-catalog',
  '--allow-mode': 'modes',
};

/** A remedy or relaxation of `cmcp verify` in the words of a file of expectations. */
export function memberOf(remedy: string): string {
  return remedy.replace(/(--[a-z-]+)(?: FILE)?/g, (words, flag: string) => MEMBERS[flag] ?? words);
}

const RELAXATIONS = {
  software: 'acceptSoftware',
  'software-tpm': 'acceptSoftwareTpm',
  'operator-root': 'acceptOperatorRoot',
  'any-policy': 'unpinnedPolicy',
  'any-catalog': 'unpinnedCatalog',
  'no-tls': 'acceptNoTls',
} as const satisfies Record<string, keyof LiveExpectations>;
type Relaxation = keyof typeof RELAXATIONS;

const LIMITS = { bytes: 1024 * 1024, depth: 12, items: 20_000 };
const SHA256 = text(/^sha256:[0-9a-f]{64}$/);

const FILE = object(
  { cmcp_expect: integer(1, 1) },
  {
    measurement: text(/^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96})$/),
    gateway_measurement: SHA256,
    immutable_image: flag,
    policy_hash: SHA256,
    catalog_hash: SHA256,
    modes: list(oneOf('enforcing', 'advisory', 'silent')),
    roots: list(text(/^-----BEGIN CERTIFICATE-----\r?\n/)),
    keys: list(text(/^[A-Za-z0-9_-]{43}$/)),
    accept: list(oneOf(...Object.keys(RELAXATIONS))),
    evidence_policy: EVIDENCE_POLICY_RULE,
    max_age_seconds: integer(1, 86_400),
  },
);

/** What {@link FILE} promises. */
interface Checked extends JsonObject {
  modes?: ('enforcing' | 'advisory' | 'silent')[];
  roots?: string[];
  keys?: string[];
  accept?: Relaxation[];
}

/**
 * Reads a file of expectations (docs/schemas/expectations.schema.json). Strict: a member that is misspelt would not be kept. Its
 * roots are those of the operator; a caller adds those of the makers.
 *
 * @throws FormatError that names the member and what it should be
 */
export function readExpectations(input: Uint8Array | string): LiveExpectations {
  const value = readJsonObject(input, 'the file of expectations', LIMITS);
  const problem = FILE(value, 'expectations');
  if (problem !== null) throw new FormatError(problem);
  const { modes, roots = [], keys = [], accept = [] } = value as Checked;
  if (modes !== undefined && !modes.includes('enforcing')) throw new FormatError('expectations.modes lacks enforcing');
  return {
    ...plain(value as JsonObject & PlainMembers),
    ...Object.fromEntries(accept.map((name) => [RELAXATIONS[name], true])),
    keys: keys.map((x, i) => ({ x: keyText(x, i), source: `expectations.keys[${i}]` })),
    anchors: roots.flatMap(rootsIn),
    allowModes: (modes ?? []).filter((name) => name !== 'enforcing'),
  };
}

interface PlainMembers {
  measurement?: string;
  gateway_measurement?: string;
  immutable_image?: boolean;
  policy_hash?: string;
  catalog_hash?: string;
  evidence_policy?: NonNullable<Expectations['evidencePolicy']>;
  max_age_seconds?: number;
}

function plain(file: PlainMembers): LiveExpectations {
  const { measurement, gateway_measurement, policy_hash, catalog_hash, evidence_policy, max_age_seconds } = file;
  return {
    ...(file.immutable_image !== undefined && { immutableImage: file.immutable_image }),
    ...(measurement !== undefined && { measurement }),
    ...(gateway_measurement !== undefined && { gatewayMeasurement: gateway_measurement }),
    ...(policy_hash !== undefined && { policyHash: policy_hash }),
    ...(catalog_hash !== undefined && { catalogHash: catalog_hash }),
    ...(evidence_policy !== undefined && { evidencePolicy: evidence_policy }),
    ...(max_age_seconds !== undefined && { maxAgeSeconds: max_age_seconds }),
  };
}

function keyText(x: string, index: number): string {
  if (readKeyText(x) === null) throw new FormatError(`expectations.keys[${index}] is not a valid Ed25519 public key`);
  return x;
}

function rootsIn(pem: string): TrustAnchor[] {
  return readCertificates(encodeUtf8(pem)).map((certificate: Certificate) =>
    givenAnchor(certificate, ['amd-sev', 'intel-sgx', 'tpm']),
  );
}
