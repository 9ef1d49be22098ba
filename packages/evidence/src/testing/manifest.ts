/** Builds Agent Manifests for tests and signs them in every form. Not part of the package. */
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';
import { encode, rfc8949EncodeOptions, Tagged } from 'cborg';
import {
  canonicalManifest,
  decodeBase64Url,
  encodeBase64Url,
  encodeUtf8,
  type JsonObject,
  type ManifestContext,
  type ManifestKey,
  manifestKey,
  sha256,
  stringifyJson,
} from '../index.ts';
import { signedBytes } from '../manifest/preimage.ts';
import { newKey } from './session.ts';

/** A key that tests sign manifests with. */
export interface ManifestSigner {
  key: ManifestKey;
  /** COSE code point of its algorithm. */
  alg: number;
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

export const ISSUER = 'spiffe://trust.example/signing-authority';
export const AGENT = 'spiffe://trust.example/agent/kyc/prod';
export const POLICY = `sha256:${'b'.repeat(64)}`;
export const CATALOG = `sha256:${'c'.repeat(64)}`;
/** 2026-09-21, while the manifests of {@link wholeManifest} are in force. */
export const AT = 1_790_000_000;

export async function ed25519Signer(): Promise<ManifestSigner> {
  const { x, sign } = await newKey();
  const key = manifestKey(decodeBase64Url(x), 'the test');
  return { key, alg: -19, sign: async (message) => decodeBase64Url(await sign(message)) };
}

/** ML-DSA-65; the key is made of `seed`, since making keys is slow. */
export function mlDsaSigner(seed = 1): ManifestSigner {
  const { publicKey, secretKey } = ml_dsa65.keygen(new Uint8Array(32).fill(seed));
  const key = manifestKey(new Uint8Array(publicKey), 'the test');
  return { key, alg: -49, sign: async (message) => new Uint8Array(ml_dsa65.sign(message, secretKey)) };
}

/** The key that stands for both. */
export function hybridKey(classical: ManifestSigner, pq: ManifestSigner): ManifestKey {
  return manifestKey(Uint8Array.of(...classical.key.key, ...pq.key.key), 'the test');
}

/** A manifest from which nothing is missing, in force around {@link AT}. */
export function wholeManifest(changes: JsonObject = {}): JsonObject {
  const bound_at = '2026-06-01T00:00:00Z';
  return {
    '@context': 'https://manifest.agentrust-io.com/v0.2/context.json',
    '@type': 'AgentManifest',
    manifest_id: '018f4a3b-2c1d-7e5f-a8b9-0d1e2f3a4b5c',
    agent_id: AGENT,
    version: '0.1',
    issued_at: '2026-06-01T00:00:00Z',
    expires_at: '2027-05-01T00:00:00Z',
    issuer: ISSUER,
    crypto_profile: 'standard',
    artifacts: {
      system_prompt: { hash: `sha256:${'a'.repeat(64)}`, version: '1', classification: 'internal', bound_at },
      policy_bundle: {
        hash: POLICY,
        policy_language: 'cedar',
        version: '1',
        enforcement_mode: 'enforce',
        scope: [],
        bound_at,
      },
      tool_manifest: { catalog_hash: CATALOG, tools: [], rug_pull_policy: 'deny-and-alert', bound_at },
      model_identity: {
        provider: 'example',
        model_id: 'm',
        version: 'm-1',
        deployment_type: 'api',
        model_hash: null,
        model_attestation_type: 'provider-asserted',
        bound_at,
      },
    },
    intent: { statement: 'look after customers\u2019 files' },
    ...changes,
  };
}

/** {@link wholeManifest} with its artifacts changed. */
export function withArtifacts(changes: JsonObject, more: JsonObject = {}): JsonObject {
  const { artifacts, ...rest } = wholeManifest(more);
  return { ...rest, artifacts: { ...(artifacts as JsonObject), ...changes } };
}

/** What a relying party gives that trusts `signers`. */
export function trusting(...signers: ManifestSigner[]): ManifestContext {
  return { at: AT, keys: signers.map(({ key }) => key) };
}

/** Version 0.1, signed with one key. */
export async function signJson(document: JsonObject, signer: ManifestSigner): Promise<JsonObject> {
  const signature_value = encodeBase64Url(await signer.sign(signedBytes(document)));
  return { ...document, signature: { ...blockOf(signer.key), signature_value } };
}

/** Version 0.1, signed with two keys that are one. */
export async function signHybrid(
  document: JsonObject,
  classical: ManifestSigner,
  pq: ManifestSigner,
): Promise<JsonObject> {
  const message = signedBytes(document);
  const signature = {
    ...blockOf(hybridKey(classical, pq)),
    signature_value: '',
    classical_signature: encodeBase64Url(await classical.sign(message)),
    pq_signature: encodeBase64Url(await pq.sign(message)),
  };
  return { ...document, signature };
}

function blockOf({ algorithm, id }: ManifestKey): JsonObject {
  return { algorithm, key_id: id, key_type: 'software', signed_at: '2026-06-01T00:00:00Z' };
}

export function jsonBytes(document: JsonObject): Uint8Array<ArrayBuffer> {
  return encodeUtf8(stringifyJson(document));
}

/** What an envelope is made of; tests change parts of it. */
export interface EnvelopeParts {
  tag: number;
  header: Map<unknown, unknown>;
  unprotected: Map<unknown, unknown>;
  payload: Uint8Array<ArrayBuffer>;
}

const TYPES: [unknown, unknown][] = [
  [3, 'application/agent-manifest+json'],
  [16, 'application/agent-manifest+cose'],
];

/** The parts of an envelope around `document`, for one signer. */
export function envelopeParts(document: JsonObject, signer: ManifestSigner): EnvelopeParts {
  return {
    tag: 18,
    header: new Map<unknown, unknown>([[1, signer.alg], ...TYPES, [4, sha256(signer.key.key)]]),
    unprotected: new Map(),
    payload: encodeUtf8(canonicalManifest(document)),
  };
}

/** COSE_Sign1: `parts` as they are, with the signature that they should have. */
export async function signParts(parts: EnvelopeParts, signer: ManifestSigner): Promise<Uint8Array<ArrayBuffer>> {
  const header = cbor(parts.header);
  const signature = await signer.sign(cbor(['Signature1', header, new Uint8Array(), parts.payload]));
  return cbor(new Tagged(parts.tag, [header, parts.unprotected, parts.payload, signature]));
}

/** COSE_Sign1 around `document`. */
export async function signCose(document: JsonObject, signer: ManifestSigner): Promise<Uint8Array<ArrayBuffer>> {
  return signParts(envelopeParts(document, signer), signer);
}

/** COSE_Sign around `document`, with these signers; `change` is made to the headers of each before it signs. */
export async function signCoseBy(
  document: JsonObject,
  signers: readonly ManifestSigner[],
  change: (header: Map<unknown, unknown>, unprotected: Map<unknown, unknown>) => void = () => {},
): Promise<Uint8Array<ArrayBuffer>> {
  const payload = encodeUtf8(canonicalManifest(document));
  const body = cbor(new Map(TYPES));
  const entries = [];
  for (const { alg, key, sign } of signers) {
    const header = new Map<unknown, unknown>([
      [1, alg],
      [4, sha256(key.key)],
    ]);
    const unprotected = new Map<unknown, unknown>();
    change(header, unprotected);
    const own = cbor(header);
    entries.push([own, unprotected, await sign(cbor(['Signature', body, own, new Uint8Array(), payload]))]);
  }
  return cbor(new Tagged(98, [body, new Map(), payload, entries]));
}

/** Deterministic CBOR. */
export function cbor(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encode(value, rfc8949EncodeOptions));
}

/** Version 0.2 of {@link wholeManifest}. */
export function versionTwo(changes: JsonObject = {}): JsonObject {
  return wholeManifest({ version: '0.2', ...changes });
}
