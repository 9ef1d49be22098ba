import { PROVENANCE_KINDS, readKeyText } from '@cmcp/evidence';
import { PROVIDERS } from '../attestation/types.ts';
import { destinationOf } from '../egress.ts';
import { MODES } from '../policy/mode.ts';
import { sensitivityRanks } from '../policy/sensitivity.ts';
import { isRecordingKey } from '../recording/key.ts';
import { parseListen } from './address.ts';
import { agentManifestReader, CONFORMANCE_PROFILES } from './agent-manifest.ts';
import { approvalReader } from './approval.ts';
import { approvalsReader } from './approvals.ts';
import { claimSection } from './claim.ts';
import { agentCredential, subject } from './credentials.ts';
import { REFERENCE_FORM, secretText } from './expand.ts';
import { identitySection } from './identity.ts';
import { ratesReader } from './limits.ts';
import { operatorSection } from './operator.ts';
import { duration, integer, list, named, nullable, oneOf, path, required, section, setting, text } from './readers.ts';
import { serviceUrl } from './service-url.ts';
import { stopSection } from './stop.ts';
import { parseTpmAddress } from './tpm-address.ts';

/** Labels that the reference defines; a configuration may add to them and not redefine them (wire-formats section 5). */
const BUILT_IN_LABELS = [...sensitivityRanks().keys()];
const LABEL = /^[a-z][a-z0-9_-]{0,63}$/;
const label = text('a sensitivity label, such as confidential', (given) => (LABEL.test(given) ? given : undefined));

/** Kinds of evidence that have a name and that this version does not collect. */
export const REFUSED_PROVIDERS = ['opaque', 'gpu'] as const;

/** Headers that the gateway itself builds from the decided call; a fixed value would contradict them (MCP26-13). */
const OWN_HEADERS = /^(?:host|connection|content-.*|transfer-encoding|te|trailer|upgrade|expect|accept|mcp-.*)$/i;

/** A pin with or without its prefix; the value always has it. */
export function parsePin(given: string): string | undefined {
  const [, hex] = /^(?:sha256:)?([0-9a-f]{64})$/.exec(given) ?? [];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

const pin = text('a digest: sha256: and 64 lower-case hexadecimal digits', parsePin);

const signingKey = text('an Ed25519 public key, as `cmcp policy signing-key` prints it', (given) =>
  /^[\w-]{43}$/.test(given) ? (readKeyText(given) ?? undefined) : undefined,
);

const recordingKey = text('an X25519 public key: 32 bytes in base64url', (given) =>
  isRecordingKey(given) ? given : undefined,
);

const absolutePath = text('an absolute path without `..`, such as /srv/notes', (given) =>
  given.startsWith('/') && !given.includes('\0') && !given.split('/').includes('..') ? given : undefined,
);

const host = text('a host, with a port or for every port, such as gateway.example:8443', (given) =>
  /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(given) ? given.toLowerCase() : undefined,
);

const origin = text('an origin such as https://app.example', (given) =>
  URL.canParse(given) && new URL(given).origin === given ? given : undefined,
);

const destination = text('a host with a port, such as crm.example:443', (given) => {
  const url = URL.parse(`https://${given}`);
  return url !== null && /^[^/@?#]+:\d{1,5}$/.test(given) ? destinationOf(url) : undefined;
});

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const HEADER = new RegExp(`^(?!${OWN_HEADERS.source.slice(1)})[!#$%&'*+.^_\`|~0-9A-Za-z-]{1,128}$`, 'i');

/** RFC 7235 token68 words aside, what stands before a credential is one word. */
const scheme = text('one word, or "" for none', (given) => (/^[A-Za-z0-9._-]{0,64}$/.test(given) ? given : undefined));

const tokenEndpoint = text('an https URL without credentials, such as https://login.example/token', (given) => {
  const url = URL.parse(given);
  const usable = url !== null && url.username === '' && url.password === '' && url.hash === '';
  return usable && /^https?:$/.test(url.protocol) ? given : undefined;
});

const printable = text('printable ASCII', (given) => (/^[\x20-\x7e]{1,1024}$/.test(given) ? given : undefined));

const oauth = section('a token endpoint', {
  token_url: required(tokenEndpoint, 'The token endpoint. Plain http on this machine only.'),
  client_id: required(printable, 'The gateway’s client id there.'),
  client_secret_file: required(path('./secrets/client'), 'File with the client’s secret.'),
  scope: setting(nullable(printable), 'null', 'Scopes to ask for, separated by spaces.'),
  resource: setting(nullable(printable), 'null', 'The server’s URI (RFC 8707).'),
  audience: setting(nullable(printable), 'null', 'Who the token is for, where the endpoint wants that instead.'),
  subject_token_file: setting(
    nullable(path('/var/run/secrets/token')),
    'null',
    'File with a token of the gateway’s that is exchanged (RFC 8693). Null: client credentials (RFC 6749 section 4.4).',
  ),
});

const credentialOfGateway = section('a credential of the gateway at a server; just one of file, command and oauth', {
  file: setting(nullable(path('./secrets/crm.token')), 'null', 'File that holds it. Read again after `lifetime`.'),
  command: setting(
    list(text('a word of a command line', (given) => (given.includes('\0') ? undefined : given))),
    '[]',
    'Command that prints it, started without a shell. The first word is an absolute path.',
  ),
  oauth: setting(nullable(oauth), 'null', 'Token endpoint that issues it.'),
  header: setting(
    text('a header name that the gateway does not set itself', (given) => (HEADER.test(given) ? given : undefined)),
    'Authorization',
    'Header field in which an HTTP server gets it.',
  ),
  scheme: setting(scheme, 'Bearer', 'Word before it in that field.'),
  variable: setting(
    text('an environment variable name', (given) => (VARIABLE.test(given) ? given : undefined)),
    'MCP_CREDENTIAL',
    'Environment variable in which a stdio server gets it, when it is started.',
  ),
  lifetime: setting(
    duration('1s', '24h'),
    '5m',
    'How long it is used before it is got anew, where its source does not say.',
  ),
});

const publicKey = text('an Ed25519 public key: 43 characters of base64url, the x of its JWK', (given) =>
  /^[A-Za-z0-9_-]{43}$/.test(given) ? given : undefined,
);

const classifierUrl = serviceUrl('https://classifier.example/v1');

const headers = (example: string) =>
  named(
    'a header name that the gateway does not set itself',
    HEADER,
    secretText(`a header value, in which ${REFERENCE_FORM} stands for an environment variable`, (value) =>
      /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/.test(value),
    ),
    example,
  );

const classifier = section('an external classifier', {
  url: required(classifierUrl, 'Where the texts of every answer are sent.'),
  timeout: setting(duration('50ms', '60s'), '2s', 'How long its answer may take.'),
  on_failure: setting(
    oneOf('deny', 'flag'),
    'deny',
    'What becomes of an answer that it has not classified: `deny` withholds it, `flag` passes it by what the gateway itself found.',
  ),
  headers: setting(
    headers(`Sent with every request, such as \`Authorization: Bearer ${REFERENCE_FORM}\`.`),
    '{}',
    'Request headers.',
  ),
});

const upstream = section('settings of a server', {
  receipts: setting(
    section('what is expected of external execution evidence', {
      keys: setting(list(publicKey), '[]', 'Keys of the controllers that sign receipts for this server.'),
      required: setting(
        oneOf('true', 'false'),
        'false',
        'Whether a result without a genuine receipt of its call is withheld. The call then ran all the same.',
      ),
    }),
    '{}',
    'Receipts that the server returns for its calls. They prove that somebody signed them, not that anything happened.',
  ),
  credential: setting(
    nullable(credentialOfGateway),
    'null',
    'What the server is shown of the gateway, got when it is needed and renewed. Agents, logs and entries never see it.',
  ),
  env: setting(
    named(
      'an environment variable name',
      VARIABLE,
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
    headers(`Sent with every request to an HTTP server, such as \`Authorization: Bearer ${REFERENCE_FORM}\`.`),
    '{}',
    'Request headers for an HTTP server.',
  ),
  ca: setting(
    nullable(path('./tls/tools-ca.pem')),
    'null',
    'PEM file with the private authority that the catalog names by digest (`ca` of the server). No other authority is trusted for this server.',
  ),
  client_certificate: setting(
    nullable(path('./tls/gateway.pem')),
    'null',
    'PEM file of the certificate, leaf first, that the gateway shows to an HTTPS server.',
  ),
  client_key: setting(nullable(path('./tls/gateway.key')), 'null', 'PEM file of its private key.'),
  sandbox: setting(
    nullable(
      section(
        'a sandbox',
        {
          tool: setting(
            oneOf('bwrap'),
            'bwrap',
            'What builds it: bubblewrap. A server whose sandbox cannot be built is not started.',
          ),
          network: setting(
            oneOf('none', 'host'),
            'none',
            'Whether the server has the network of this machine or none at all.',
          ),
          read: setting(
            list(absolutePath),
            '[]',
            'What it may read besides the system’s own files, its program and its package.',
          ),
          write: setting(list(absolutePath), '[]', 'What it may change.'),
        },
        'tool',
      ),
    ),
    'null',
    'Sandbox of a stdio server. `sandbox: bwrap` is short for its tool. Null: the server has the rights of the gateway’s user, and sessions say `egress-unconfined`.',
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
    oneOf(...MODES),
    'enforcing',
    'Whether denied calls are refused. In `advisory` mode they are forwarded and recorded as denied, and the claim says so. `silent` is the same, and neither the log nor the reply speaks of it.',
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
        approval: setting(
          approvalReader('bundle', 'policy'),
          'null',
          'Reviewers who must have approved the bundle, in `approval.json` of its folder. Null: none is asked for.',
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
        recheck: setting(
          duration('1s', '24h'),
          '10m',
          'Every server is compared with the catalog this often, and before a call when the last comparison is older.',
        ),
        recheck_above: setting(
          nullable(label),
          'hipaa_phi',
          'Before a call of this sensitivity or a higher one the server is always compared anew. Null: for no call.',
        ),
        approval: setting(
          approvalReader('catalog', 'catalog'),
          'null',
          'Reviewers who must have approved the catalog, in `catalog.approval.json` beside it. Null: none is asked for.',
        ),
        required_provenance_kind: setting(
          nullable(oneOf(...PROVENANCE_KINDS)),
          'null',
          'The least that must stand behind every server: the kind of its verified provenance record. Servers with less are refused. Null: a record is verified where the catalog names one.',
        ),
      },
      'path',
    ),
    '{}',
    'The approved servers and tools. `catalog: ./catalog.json` is short for its path.',
  ),
  agents: setting(list(agentCredential), '[]', 'Who may call, by bearer token.'),
  agents_file: setting(
    nullable(path('./agents.yaml')),
    'null',
    'File with more agents: a list in the form of `agents`. It is read again when it changes, without a restart (docs/identity.md), so it is no part of the gateway measurement.',
  ),
  identity: setting(identitySection, '{}', 'Who may call by what another system says of them (docs/identity.md).'),
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
  operator: setting(operatorSection, '{}', 'The operator interface.'),
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
  approvals: setting(approvalsReader, '{}', 'Approval of calls that policy asks somebody about.'),
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
      reevaluate: setting(
        duration('1s', '24h'),
        '5m',
        'How often what agents are subscribed to is decided again. What would be refused by now ends.',
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
  claim: setting(claimSection, '{}', 'Claims of sessions. `claim: call` is short for its granularity.'),
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
      rates: setting(ratesReader, '[]', 'What each caller, tool, session or server may use in a while.'),
    }),
    '{}',
    'Bounds on what is read, and on what is used.',
  ),
  stop: setting(stopSection, '{}', 'What is stopped without an operator, until an operator lifts it.'),
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
  inspection: setting(
    section(
      'how answers are inspected',
      {
        path: setting(
          nullable(path('./inspection.yaml')),
          'null',
          'File with your own rules and settings, inside the folder of this file (docs/inspection.md). Null: the built-in ones.',
        ),
        quarantine: setting(
          section('what is kept of answers that an operator may release', {
            keep: setting(
              duration('1s', '7d'),
              '1h',
              'How long an answer is held in memory. It is discarded then, and when the gateway stops.',
            ),
            max_items: setting(integer(1, 10_000), '100', 'Answers that are held at once; the oldest make room.'),
            max_bytes: setting(
              integer(1_024, 1_073_741_824),
              '16777216',
              'Bytes of all answers that are held; the oldest make room, and a larger answer is not held.',
            ),
          }),
          '{}',
          'Answers whose outcome is `quarantine`.',
        ),
        classifier: setting(
          nullable(classifier),
          'null',
          'A service of yours that classifies answers after the built-in rules (docs/inspection.md). Null: none is asked.',
        ),
      },
      'path',
    ),
    '{}',
    'Inspection of answers. `inspection: ./inspection.yaml` is short for its path.',
  ),
  upstreams: setting(
    named('a server id', /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, upstream, 'Settings of one server of the catalog.'),
    '{}',
    'Credentials and limits of the servers that the catalog names, by server id.',
  ),
  egress: setting(
    section('where the gateway may connect to', {
      allow: setting(
        nullable(list(destination)),
        'null',
        'Hosts with ports. A server or token endpoint that is not on the list is not connected to; a classifier has to be on it. Null: those that the catalog, `credential` and `inspection.classifier` name, and no others.',
      ),
    }),
    '{}',
    'The one allow-list of connections that the gateway itself opens.',
  ),
  record: setting(
    section('what is recorded besides the audit log', {
      decisions: setting(
        nullable(
          section('a recording of decisions', {
            to: required(path('./recordings'), 'Folder of the recordings: one file for each run of the gateway.'),
            key: required(
              recordingKey,
              'Public key that the recording is sealed to, as `cmcp policy keygen` prints it. Only who holds the private key can read it.',
            ),
          }),
        ),
        'null',
        'Records what every decision was made of, arguments included, for `cmcp policy replay` and `cmcp policy explain`. Null: off; then only digests exist.',
      ),
    }),
    '{}',
    'What is recorded besides the audit log.',
  ),
  agent_manifest: setting(
    agentManifestReader,
    'null',
    'Agent Manifests that sessions are bound to (docs/agent-manifest.md). Null: to none.',
  ),
  conformance_profile: setting(
    oneOf(...CONFORMANCE_PROFILES),
    'none',
    '`aarm`: aligned with AARM v1.0. The gateway starts in mode `enforcing` and with `agent_manifest` only, and opens no session for an agent without a manifest.',
  ),
  compat: setting(
    oneOf('none', 'cmcp-0.4'),
    'none',
    '`cmcp-0.4` adds the `_cmcp` object and the status codes of the reference implementation to replies.',
  ),
});
