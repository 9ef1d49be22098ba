import { readKeyText } from '@cmcp/evidence';
import { PROVIDERS } from '../attestation/types.ts';
import { sensitivityRanks } from '../policy/sensitivity.ts';
import { parseListen } from './address.ts';
import { REFERENCE_FORM, secretText } from './expand.ts';
import {
  duration,
  integer,
  list,
  named,
  nullable,
  oneOf,
  type Reader,
  required,
  section,
  setting,
  text,
} from './readers.ts';
import { parseTpmAddress } from './tpm-address.ts';

/** Labels that the reference defines; a configuration may add to them and not redefine them (wire-formats section 5). */
const BUILT_IN_LABELS = [...sensitivityRanks().keys()];

/** Kinds of evidence that have a name and that this version does not collect. */
export const REFUSED_PROVIDERS = ['opaque', 'gpu'] as const;

/** Headers that the gateway itself builds from the decided call; a fixed value would contradict them (MCP26-13). */
const OWN_HEADERS = /^(?:host|connection|content-.*|transfer-encoding|te|trailer|upgrade|expect|accept|mcp-.*)$/i;

const SUBJECT = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

const subject = text('a name of 1 to 128 printable ASCII characters, such as research-agent', (given) =>
  SUBJECT.test(given) ? given : undefined,
);

/** A pin with or without its prefix; the value always has it. */
export function parsePin(given: string): string | undefined {
  const [, hex] = /^(?:sha256:)?([0-9a-f]{64})$/.exec(given) ?? [];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

const pin = text('a digest: sha256: and 64 lower-case hexadecimal digits', parsePin);

const signingKey = text('an Ed25519 public key, as `cmcp policy signing-key` prints it', (given) =>
  /^[\w-]{43}$/.test(given) ? (readKeyText(given) ?? undefined) : undefined,
);

const tokenDigest = text(
  'the SHA-256 of the token as 64 lower-case hexadecimal digits (printf %s "$TOKEN" | sha256sum)',
  (given) => (/^[0-9a-f]{64}$/.test(given) ? given : undefined),
  // Somebody will paste the token itself.
  true,
);

/** A path without `..` or NUL (D-04). Whether it may leave the configuration's folder is decided in paths.ts. */
function path(example: string): Reader<string> {
  return text(`a path without \`..\`, such as ${example}`, (given) => {
    if (given === '' || given.includes('\0') || given.split(/[/\\]/).includes('..')) return undefined;
    return given;
  });
}

const host = text('a host, with a port or for every port, such as gateway.example:8443', (given) =>
  /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(given) ? given.toLowerCase() : undefined,
);

const origin = text('an origin such as https://app.example', (given) =>
  URL.canParse(given) && new URL(given).origin === given ? given : undefined,
);

const credential = section('a credential', {
  subject: required(
    subject,
    'Who the bearer of the token is: the Cedar principal of an agent, the name of an operator.',
  ),
  token_sha256: required(tokenDigest, 'Digest of the bearer token; the token itself is never written here.'),
});

const upstream = section('settings of a server', {
  env: setting(
    named(
      'an environment variable name',
      /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
      secretText(
        `text, in which ${REFERENCE_FORM} stands for an environment variable`,
        (value) => !value.includes('\0'),
      ),
      'Added to the environment of a stdio server, which otherwise has a short allow-listed one.',
    ),
    '{}',
    'Environment variables of a stdio server.',
  ),
  headers: setting(
    named(
      'a header name that the gateway does not set itself',
      new RegExp(`^(?!${OWN_HEADERS.source.slice(1)})[!#$%&'*+.^_\`|~0-9A-Za-z-]{1,128}$`, 'i'),
      secretText(`a header value, in which ${REFERENCE_FORM} stands for an environment variable`, (value) =>
        /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/.test(value),
      ),
      `Sent with every request to an HTTP server, such as \`Authorization: Bearer ${REFERENCE_FORM}\`.`,
    ),
    '{}',
    'Request headers for an HTTP server.',
  ),
  timeout: setting(
    nullable(duration('100ms', '1h')),
    'null',
    'Time after which a call to this server is given up; null for `limits.upstream_timeout`.',
  ),
});

/** Every key of `cmcp.yaml`. docs/configuration.md is this table (`cmcp help config --markdown`). */
export const CONFIG_SCHEMA = section('the configuration', {
  cmcp: setting(oneOf('1'), '1', 'Version of this format.'),
  listen: setting(
    text('host:port, such as 127.0.0.1:8443 or [::1]:8443', parseListen),
    '127.0.0.1:8443',
    'Where agents connect, at `POST /mcp`. Addresses other than loopback need `tls`. Port 0 takes any free port.',
  ),
  allowed_hosts: setting(
    list(host),
    '[]',
    'Values of the Host header that are accepted besides loopback names and the listening address.',
  ),
  allowed_origins: setting(
    list(origin),
    '[]',
    'Values of the Origin header that are accepted. None: a request with an Origin is refused, so no web page can call.',
  ),
  data: setting(path('./data'), './data', 'Folder of the audit store and the session files.'),
  mode: setting(
    oneOf('enforcing', 'advisory'),
    'enforcing',
    'Whether denied calls are refused. In advisory mode they are forwarded and recorded as denied, and the claim says so.',
  ),
  policy: setting(
    section(
      'a policy bundle',
      {
        path: setting(path('./policy'), './policy', 'Folder of the policy bundle, inside the folder of this file.'),
        hash: setting(
          nullable(pin),
          'null',
          'The approved bundle hash: `cmcp check` prints it. Outside dev mode it or `key` is required. With `key` it is the oldest bundle that a new store starts with.',
        ),
        key: setting(
          nullable(signingKey),
          'null',
          'The public key that signs bundles: a bundle signed by it, and newer than those before, can be activated without a change here (docs/policy.md).',
        ),
      },
      'path',
    ),
    '{}',
    'The policy bundle. `policy: ./policy` is short for its path.',
  ),
  catalog: setting(
    section(
      'a catalog',
      {
        path: setting(path('./catalog.json'), './catalog.json', 'The catalog file, inside the folder of this file.'),
        hash: setting(
          nullable(pin),
          'null',
          'The approved catalog hash, required outside dev mode. `cmcp check` prints it.',
        ),
      },
      'path',
    ),
    '{}',
    'The approved servers and tools. `catalog: ./catalog.json` is short for its path.',
  ),
  agents: setting(list(credential), '[]', 'Who may call, by bearer token.'),
  stdio: setting(
    section(
      'the caller over stdio',
      {
        subject: setting(
          nullable(subject),
          'null',
          'Who the one caller of `cmcp start --stdio` is. Null: stdio is off.',
        ),
      },
      'subject',
    ),
    '{}',
    'The caller over stdio. `stdio: desktop-agent` is short for its subject.',
  ),
  operator: setting(
    section('the operator interface', {
      socket: setting(
        nullable(path('/run/cmcp/operator.sock')),
        'null',
        'Unix socket of the operator API. Null: `operator.sock` in the folder named by `data`.',
      ),
      credentials: setting(list(credential), '[]', 'Who may operate, by bearer token. Never the token of an agent.'),
    }),
    '{}',
    'The operator interface.',
  ),
  tls: setting(
    nullable(
      section(
        'TLS settings',
        {
          source: setting(
            oneOf('files', 'generated'),
            'files',
            '`files`: certificate and key below. `generated`: a key that lives in memory only, with a certificate that no authority vouches for: clients use `cmcp connect`, which checks by attestation that the key is this gateway’s.',
          ),
          certificate: setting(nullable(path('./tls/server.pem')), 'null', 'PEM file of the certificate, leaf first.'),
          key: setting(nullable(path('./tls/server.key')), 'null', 'PEM file of its private key.'),
          client_ca: setting(
            nullable(path('./tls/clients.pem')),
            'null',
            'PEM file of authorities. Who connects must show a certificate of one of them; who it is, its bearer token says. Null: no certificate is asked for.',
          ),
        },
        'source',
      ),
    ),
    'null',
    'TLS for agents. `tls: generated` is short for its source. Null: plain HTTP, on loopback only.',
  ),
  attestation: setting(
    section(
      'attestation settings',
      {
        provider: setting(
          oneOf('auto', ...PROVIDERS, ...REFUSED_PROVIDERS),
          'auto',
          'Where evidence about the machine comes from. `auto` takes the strongest that is there: the evidence of a confidential VM before that of a TPM, and a software key in dev mode only. `opaque` and `gpu` are known by name and refused: docs/attestation.md says why.',
        ),
        tpm: setting(
          section('settings of the TPM', {
            address: setting(
              text('a TPM: /dev/tpmrm0, tcp:host:port or unix:/path of a simulator', parseTpmAddress),
              '/dev/tpmrm0',
              'The TPM 2.0: the kernel’s resource manager, or the socket of a software TPM.',
            ),
            ak_certificate: setting(
              nullable(path('./tpm/ak.pem')),
              'null',
              'PEM file of the certificate of the attestation key, leaf first, as `cmcp attest enroll` wrote it. Null: the one that the platform brings, if it does.',
            ),
            event_log: setting(
              path('/sys/kernel/security/tpm0/binary_bios_measurements'),
              '/sys/kernel/security/tpm0/binary_bios_measurements',
              'The firmware’s event log. It travels with the evidence when it can be read.',
            ),
            seal: setting(
              nullable(list(integer(0, 15))),
              'null',
              'Registers of the SHA-256 bank that the key of the audit store is sealed to, such as [0, 2, 4, 7]. After a change of one of them the store does not open. Null: the key lies in a file.',
            ),
            rollback_counter: setting(
              oneOf('true', 'false'),
              'false',
              'Whether a counter in the TPM anchors the audit store, so that a store that was restored to an older state is found at start.',
            ),
          }),
          '{}',
          'The TPM 2.0.',
        ),
        collateral: setting(
          path('./collateral'),
          './collateral',
          'Folder with certificates and revocation lists of AMD and Intel, which `cmcp attest fetch-collateral` fills.',
        ),
        roots: setting(
          list(path('./roots/enroller.pem')),
          '[]',
          'Roots that this gateway’s own evidence may chain to besides those of the makers. They change how the gateway labels itself, never what a verifier trusts.',
        ),
        validity: setting(
          duration('1m', '24h'),
          '1h',
          'How long evidence counts as fresh. It is renewed before, without closing sessions.',
        ),
        staleness: setting(
          oneOf('fail_closed', 'warn_only'),
          'fail_closed',
          'When evidence could not be renewed in time: refuse calls, or serve them, with a claim that says so.',
        ),
        launch: setting(
          oneOf('ML0', 'ML1', 'ML2', 'ML3'),
          'ML0',
          'How the code came to be measured (docs/attestation.md). ML0: the gateway measures itself, which proves nothing to others. ML1: a measured loader recorded it in the launch register, which is checked at start. ML2: IMA. ML3: an immutable image.',
        ),
      },
      'provider',
    ),
    '{}',
    'Evidence about the machine. `attestation: tpm` is short for its provider.',
  ),
  audit: setting(
    section('audit settings', {
      durability: setting(
        oneOf('strict', 'batched'),
        'strict',
        'What is on disk when. `strict`: the intent before a call with effects is sent, its entry before the reply. `batched`: the intent before the reply, the entry within 10 ms.',
      ),
      digests: setting(
        oneOf('salted', 'plain'),
        'salted',
        'Digests of payloads. `plain` lets anyone who guesses a payload confirm it.',
      ),
    }),
    '{}',
    'The audit log.',
  ),
  sessions: setting(
    section('session settings', {
      idle: setting(duration('1s', '24d'), '30m', 'A session without a call for this long is closed.'),
      max_age: setting(duration('1s', '24d'), '12h', 'A session is closed at this age.'),
      carry_over: setting(
        duration('1s', '365d'),
        '24h',
        'How long after its last call an agent keeps its exposure, also in new sessions.',
      ),
      max_open: setting(integer(1, 1_000_000), '10000', 'Sessions that may be open at once.'),
      starts_per_minute: setting(
        integer(1, 1_000_000),
        '600',
        'Sessions that one caller may open in a minute: each start asks the device for evidence.',
      ),
    }),
    '{}',
    'Audited sessions.',
  ),
  limits: setting(
    section('limits', {
      body_bytes: setting(integer(1_024, 104_857_600), '1000000', 'Largest request body.'),
      depth: setting(integer(8, 512), '64', 'Deepest nesting of JSON.'),
      response_bytes: setting(integer(1_024, 104_857_600), '2097152', 'Largest answer of a server.'),
      upstream_timeout: setting(
        duration('100ms', '1h'),
        '30s',
        'Time after which a call to a server is given up. The time that a person takes to answer the server does not count.',
      ),
      upstream_concurrency: setting(
        integer(1, 10_000),
        '64',
        'Calls that one server is sent at once; more wait, as long as their time lasts.',
      ),
      input_timeout: setting(
        duration('1s', '24h'),
        '5m',
        'How long an agent has to answer what a server asks during a call: its user, its model, or for its roots.',
      ),
    }),
    '{}',
    'Bounds on what is read.',
  ),
  sensitivity: setting(
    section('sensitivity settings', {
      vocabulary: setting(
        named(
          'a label that is not built in',
          new RegExp(`^(?!(?:${BUILT_IN_LABELS.join('|')})$)[a-z][a-z0-9_-]{0,63}$`),
          integer(0, 1_000_000),
          'Rank of an additional label. Built in: public 0, pii 1, confidential 2, hipaa_phi, mnpi and trade_secret 3.',
        ),
        '{}',
        'Additional sensitivity labels and their ranks.',
      ),
    }),
    '{}',
    'Sensitivity of data.',
  ),
  upstreams: setting(
    named('a server id', /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, upstream, 'Settings of one server of the catalog.'),
    '{}',
    'Credentials and limits of the servers that the catalog names, by server id.',
  ),
  compat: setting(
    oneOf('none', 'cmcp-0.4'),
    'none',
    '`cmcp-0.4` adds the `_cmcp` object and the status codes of the reference implementation to replies.',
  ),
});
