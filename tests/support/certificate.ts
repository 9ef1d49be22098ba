import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSign,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';

/** A certificate for a TLS peer in a test, its key, and its pins in the forms of wire-formats 6.3 and of our catalog. */
export interface TestCertificate {
  cert: string;
  key: string;
  pin: string;
  /** `sha256:` of the SubjectPublicKeyInfo. */
  spki: string;
  /** `sha256:` of the certificate. */
  digest: string;
}

/** What a test asks of a certificate besides its name. */
export interface CertificateTerms {
  /** PEM; absent: a fresh one. */
  key?: string;
  /** Absent: itself. */
  issuer?: TestCertificate & { name: string };
  /** May issue others, and says so. */
  authority?: boolean;
  /** Without the address 127.0.0.1. */
  nowhere?: boolean;
  uris?: string[];
  /** Bits of the key usage, the first octet: 0x80 signs, 0x04 issues. */
  usage?: number;
  /** Beginning and end of its validity. */
  from?: string;
  until?: string;
  /** What TLS may use the key for. */
  purposes?: ('server' | 'client')[];
  /** Names that an authority is bound to, as no certificate here has any. */
  constrained?: boolean;
  /** Certificates between it and the last one. */
  pathLength?: number;
  /** Signed over SHA-1, by the RSA key of its issuer. */
  sha1?: boolean;
}

const der = (tag: number, ...contents: Uint8Array[]): Buffer => {
  const body = Buffer.concat(contents);
  const long = body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
  const length = body.length < 128 ? [body.length] : long;
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const sequence = (...items: Uint8Array[]): Buffer => der(0x30, ...items);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const time = (text: string): Buffer => der(0x18, Buffer.from(text));
const ECDSA_SHA256 = oid('2a8648ce3d040302');
const RSA_SHA1 = sequence(oid('2a864886f70d010105'), der(0x05));
const COMMON_NAME = oid('550403');
const ALT_NAME = oid('551d11');
const BASIC_CONSTRAINTS = oid('551d13');
const KEY_USAGE = oid('551d0f');
const EXTENDED_KEY_USAGE = oid('551d25');
const PURPOSES = { server: oid('2b06010505070301'), client: oid('2b06010505070302') };
const NAME_CONSTRAINTS = oid('551d1e');
const TRUE = der(0x01, Buffer.from([0xff]));

/** Excluded: a mail domain. It is not marked as critical, so that nobody who ignores it has an excuse. */
const EXCLUDED_EXAMPLE = sequence(der(0xa1, sequence(der(0x81, Buffer.from('example.com')))));

const named = (name: string): Buffer => sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(name)))));
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** Self-signed for 127.0.0.1, its own authority, valid from 2020 to 2100; for a fresh key, or for `key` (PEM). */
export function selfSigned(name: string, key?: string): TestCertificate {
  return certificate(name, { authority: true, ...(key === undefined ? {} : { key }) });
}

/** As {@link selfSigned}, on other terms. */
export function certificate(name: string, terms: CertificateTerms = {}): TestCertificate {
  const { key, issuer, sha1, from = '20200101000000Z', until = '21000101000000Z' } = terms;
  const privateKey =
    key === undefined ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey : createPrivateKey(key);
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    sha1 ? RSA_SHA1 : sequence(ECDSA_SHA256),
    named(issuer?.name ?? name),
    sequence(time(from), time(until)),
    named(name),
    spki,
    der(0xa3, extensions(terms)),
  );
  const signed = signedBy(body, issuer === undefined ? privateKey : createPrivateKey(issuer.key), sha1);
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${signed.toString('base64')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    pin: `SHA256:${sha256(signed).toString('base64')}`,
    spki: `sha256:${sha256(spki).toString('hex')}`,
    digest: `sha256:${sha256(signed).toString('hex')}`,
  };
}

function extensions({
  authority,
  nowhere,
  uris = [],
  usage,
  purposes,
  constrained,
  pathLength,
}: CertificateTerms): Buffer {
  const most = pathLength === undefined ? [] : [der(0x02, Buffer.from([pathLength]))];
  const names = [
    ...(nowhere ? [] : [der(0x87, Buffer.from([127, 0, 0, 1]))]),
    ...uris.map((uri) => der(0x86, Buffer.from(uri))),
  ];
  return sequence(
    ...(names.length === 0 ? [] : [sequence(ALT_NAME, der(0x04, sequence(...names)))]),
    ...(authority ? [sequence(BASIC_CONSTRAINTS, TRUE, der(0x04, sequence(TRUE, ...most)))] : []),
    ...(usage === undefined ? [] : [sequence(KEY_USAGE, TRUE, der(0x04, der(0x03, usageBits(usage))))]),
    ...(purposes ? [sequence(EXTENDED_KEY_USAGE, der(0x04, sequence(...purposes.map((each) => PURPOSES[each]))))] : []),
    ...(constrained ? [sequence(NAME_CONSTRAINTS, der(0x04, EXCLUDED_EXAMPLE))] : []),
  );
}

/** A bit string in DER says how many bits at its end are none. */
function usageBits(usage: number): Buffer {
  let unused = 0;
  while (unused < 7 && ((usage >> unused) & 1) === 0) unused += 1;
  return Buffer.from([unused, usage]);
}

function signedBy(body: Buffer, key: KeyObject, sha1 = false): Buffer {
  const signature = createSign(sha1 ? 'sha1' : 'sha256')
    .update(body)
    .sign(key);
  return sequence(body, sha1 ? RSA_SHA1 : sequence(ECDSA_SHA256), der(0x03, Buffer.from([0]), signature));
}
