import {
  catalogHash,
  type Expectations,
  FormatError,
  givenAnchor,
  isObject,
  JsonError,
  parseJson,
  readCertificates,
  readEvidencePolicy,
  readKeyText,
} from '@cmcp/evidence';
import type { GivenFile } from './given-file.ts';

/** Documents that a person expects with, by the flag of `cmcp verify` that means the same. */
export const FILE_FIELDS = [
  { flag: '--key', label: 'Keys that you trust', hint: 'A claim key: a JWK, or its x on one line.', many: true },
  {
    flag: '--root',
    label: 'Roots that you trust',
    hint: 'Certificates besides those of the makers, PEM or DER.',
    many: true,
  },
  {
    flag: '--evidence-policy',
    label: 'Policy for the hardware',
    hint: 'What you accept, and reference values of registers, as JSON.',
    many: false,
  },
  { flag: '--catalog', label: 'Approved catalog', hint: 'The catalog itself, instead of its hash.', many: false },
  {
    flag: '--controller-key',
    label: 'Keys of controllers',
    hint: 'Of outside controllers whose receipts the entries carry.',
    many: true,
  },
  {
    flag: '--gpu-service-keys',
    label: 'Keys of the GPU service',
    hint: 'The JWKS of NVIDIA’s attestation service, as you fetched it.',
    many: false,
  },
] as const;

export type FileFlag = (typeof FILE_FIELDS)[number]['flag'];

/** A file that a person gave in a field of the form: never one that was dropped as part of a session. */
export interface PinFile extends GivenFile {
  flag: FileFlag;
}

/** What is wrong with the file, in words; null when it holds what its field asks for. */
export function problemOf(file: PinFile): string | null {
  const read = readPinFile(file);
  return typeof read === 'string' ? `${file.name} ${read}` : null;
}

/** What the files say, together. Files with a problem say nothing. */
export function readAll(files: readonly PinFile[]): Expectations {
  const all: Expectations = {};
  for (const file of files) {
    const read = readPinFile(file);
    if (typeof read === 'string') continue;
    const { keys = [], anchors = [], controllerKeys = [], ...single } = read;
    Object.assign(all, single, {
      keys: [...(all.keys ?? []), ...keys],
      anchors: [...(all.anchors ?? []), ...anchors],
      controllerKeys: [...(all.controllerKeys ?? []), ...controllerKeys],
    });
  }
  return all;
}

/** What one file says; or, as a text, what is wrong with it. */
function readPinFile(file: PinFile): Expectations | string {
  try {
    return READERS[file.flag](file);
  } catch (error) {
    if (error instanceof FormatError || error instanceof JsonError) return `cannot be read: ${error.message}`;
    throw error;
  }
}

const READERS: Readonly<Record<FileFlag, (file: GivenFile) => Expectations | string>> = {
  '--key': (file) => {
    const x = keyIn(file);
    return x === null ? NO_KEY : { keys: [{ x, source: file.name }] };
  },
  '--controller-key': (file) => {
    const x = keyIn(file);
    return x === null ? NO_KEY : { controllerKeys: [{ x, source: file.name }] };
  },
  '--root': ({ bytes }) => ({
    anchors: readCertificates(bytes).map((certificate) =>
      givenAnchor(certificate, ['amd-sev', 'intel-sgx', 'tpm', 'nvidia-device']),
    ),
  }),
  '--evidence-policy': ({ bytes }) => ({ evidencePolicy: readEvidencePolicy(bytes) }),
  '--catalog': ({ bytes }) => {
    const catalog = parseJson(bytes);
    return Array.isArray(catalog) || isObject(catalog) ? { catalogHash: catalogHash(catalog) } : 'is no catalog';
  },
  '--gpu-service-keys': ({ bytes }) => ({ gpuServiceKeys: bytes }),
};

const NO_KEY = 'holds no Ed25519 public key: a JWK, or its x on one line';

/** The public key that a file holds, or null. */
export function keyIn({ bytes }: GivenFile): string | null {
  return readKeyText(new TextDecoder().decode(bytes));
}
