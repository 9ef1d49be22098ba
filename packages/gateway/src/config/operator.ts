import { resolve } from 'node:path';
import { ROLES, type Role } from '../operator/route.ts';
import { type ListenAddress, parseListen } from './address.ts';
import { subject, tokenDigest } from './credentials.ts';
import { type OperatorOidc, operatorOidc, operatorOidcOf } from './operator-oidc.ts';
import { list, nullable, oneOf, path, required, section, setting, text } from './readers.ts';
import type { Credential, TlsConfig } from './types.ts';

/** Who may operate, and where. */
export interface OperatorConfig {
  /** Absolute path of the Unix socket. */
  socket: string;
  /** The listener on the network; null: there is none. */
  listener: OperatorListenConfig | null;
  credentials: OperatorCredential[];
  certificates: OperatorCertificate[];
  /** Whose access tokens are operators' too; null: nobody's. */
  oidc: OperatorOidc | null;
}

export interface OperatorListenConfig {
  listen: ListenAddress;
  allowedHosts: string[];
  tls: Extract<TlsConfig, { kind: 'files' }>;
}

export interface OperatorCredential extends Credential {
  roles: readonly Role[];
}

/** Whose certificate is an operator's, beside being one of the authorities of `tls.clientCa`. */
export interface OperatorCertificate {
  /** `san`: one of its alternative names, such as `email:anna@example.org`. `fingerprint`: SHA-256 of its DER, `sha256:…`. */
  match: { kind: 'san' | 'fingerprint'; value: string };
  subject: string;
  roles: readonly Role[];
}

type Report = (key: string, message: string) => void;

const roles = setting(
  nullable(list(oneOf(...ROLES))),
  'null',
  'What they may: `viewer` looks, `approver` answers requests for approval too, `operator` does everything, `auditor` reads everything and changes nothing. Null: all of it.',
);

const credential = section('a credential', {
  subject: required(subject, 'The name of the operator, as entries give it.'),
  token_sha256: required(tokenDigest, 'Digest of the bearer token; the token itself is never written here.'),
  roles,
});

const shown = text(
  'an alternative name of a certificate, such as email:anna@example.org, or its SHA-256, sha256: and 64 lower-case hexadecimal digits',
  (given) => {
    if (/^sha256:[0-9a-f]{64}$/.test(given)) return { kind: 'fingerprint' as const, value: given };
    return /^(?:URI|DNS|email):[A-Za-z0-9._~:/@+%-]{1,256}$/.test(given)
      ? { kind: 'san' as const, value: given }
      : undefined;
  },
);

const certificate = section('the certificate of an operator', {
  certificate: required(
    shown,
    'Which: one of its alternative names, `URI:`, `DNS:` or `email:` and the name, or the SHA-256 of its DER.',
  ),
  subject: required(subject, 'The name of the operator, as entries give it.'),
  roles,
});

const host = text('a host, with a port or for every port, such as operate.example:9443', (given) =>
  /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(given) ? given.toLowerCase() : undefined,
);

export const operatorSection = section('the operator interface', {
  socket: setting(
    nullable(path('/run/cmcp/operator.sock')),
    'null',
    'Unix socket of the operator API. Null: `operator.sock` in the folder named by `data`.',
  ),
  listen: setting(
    nullable(text('host:port, such as 127.0.0.1:9443', parseListen)),
    'null',
    'Where the operator API is served over TLS as well. Null: on the socket alone.',
  ),
  tls: setting(
    nullable(
      section('TLS settings of the operator API', {
        certificate: required(path('./tls/operator.pem'), 'PEM file of the certificate, leaf first.'),
        key: required(path('./tls/operator.key'), 'PEM file of its private key.'),
        client_ca: setting(
          nullable(path('./tls/operators-ca.pem')),
          'null',
          'PEM file of the authorities of operators’ certificates; whoever connects must show one. Null: operators show tokens.',
        ),
      }),
    ),
    'null',
    'With `listen` only, which takes nothing but TLS.',
  ),
  allowed_hosts: setting(list(host), '[]', 'Names, beside its address, that the operator API may be called by.'),
  credentials: setting(list(credential), '[]', 'Who may operate, by bearer token. Never the token of an agent.'),
  certificates: setting(list(certificate), '[]', 'Who may operate, by the certificate of the connection.'),
  oidc: setting(
    nullable(operatorOidc),
    'null',
    'Who may operate, by an access token of an issuer. With `listen` only.',
  ),
});

type Given = Exclude<ReturnType<typeof operatorSection.read>, undefined>;

/** The section that was read; what is wrong with it goes to `report`. */
export function operatorConfig(folder: string, dataDir: string, given: Given, report: Report): OperatorConfig {
  const at = (key: string): string => `operator.${key}`;
  const others = [...given.credentials, ...given.certificates].map(({ subject: name }) => name);
  return {
    socket: resolve(folder, given.socket ?? resolve(dataDir, 'operator.sock')),
    listener: listenerOf(folder, given, report),
    credentials: given.credentials.map(({ subject: name, token_sha256, roles: may }, index) => ({
      subject: name,
      tokenSha256: token_sha256,
      roles: rolesOf(may, at(`credentials[${index}].roles`), report),
    })),
    certificates: given.certificates.map((each, index) => ({
      match: each.certificate,
      subject: each.subject,
      roles: rolesOf(each.roles, at(`certificates[${index}].roles`), report),
    })),
    oidc: given.oidc === null ? null : operatorOidcOf(folder, given.oidc, others, report),
  };
}

/** In the order of the ladder, each once: what was written otherwise means the same. */
function rolesOf(given: Role[] | null, key: string, report: Report): readonly Role[] {
  if (given === null) return ROLES;
  if (given.length === 0)
    report(key, 'names no role, so that this credential opens nothing; leave it out for all of them');
  return ROLES.filter((role) => given.includes(role));
}

function listenerOf(folder: string, given: Given, report: Report): OperatorListenConfig | null {
  const { listen, tls, certificates, oidc, allowed_hosts: allowedHosts } = given;
  if (oidc !== null && listen === null)
    report('operator.oidc', 'is for operators who come over the network: set `operator.listen`');
  const clientCa = tls?.client_ca ?? null;
  if (certificates.length > 0 && (listen === null || clientCa === null))
    report(
      'operator.certificates',
      'are shown on a connection of TLS only: set `operator.listen` and `operator.tls.client_ca`',
    );
  if (listen === null) {
    if (tls !== null)
      report('operator.tls', 'without `operator.listen` nothing is served over TLS; set it, or leave this out');
    return null;
  }
  if (tls === null) {
    report('operator.listen', 'the operator API is served over TLS only; set `operator.tls`, or use the socket');
    return null;
  }
  const files = { certificate: resolve(folder, tls.certificate), key: resolve(folder, tls.key) };
  return {
    listen,
    allowedHosts,
    tls: { kind: 'files', ...files, clientCa: clientCa === null ? null : resolve(folder, clientCa) },
  };
}
