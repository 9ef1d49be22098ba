import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { type Operator, type OperatorRoute, object, REASON, ROLES, type Schema } from './route.ts';

/** What operators may do about the policy of a running gateway. Each is an entry of the gateway chain before it takes effect. */
export interface PolicyOperations {
  show(): Promise<JsonObject>;
  /** `expected`: the hash that the bundle has to have; null: whichever it is. */
  activate(by: Operator, expected: string | null): Promise<JsonObject>;
  startShadow(by: Operator): Promise<JsonObject>;
  showShadow(): Promise<JsonObject>;
  stopShadow(by: Operator): Promise<JsonObject>;
  revokeKey(by: Operator, keyId: string, reason: string): Promise<JsonObject>;
  succeedKey(by: Operator, statement: JsonValue): Promise<JsonObject>;
}

const TEXT: Schema = { type: 'string' };
const TEXT_OR_NULL: Schema = { type: ['string', 'null'] };
const KEY_ID: Schema = {
  type: 'string',
  pattern: '^[A-Za-z0-9_-]{43}$',
  description: 'The thumbprint of a key: 43 characters of base64url.',
};
const HASH: Schema = {
  type: ['string', 'null'],
  pattern: '^sha256:[0-9a-f]{64}$',
  description: 'sha256: and 64 lower-case hexadecimal digits; null: whatever is there.',
};

const SHADOW: Schema = {
  type: 'object',
  properties: { running: { type: 'boolean' }, bundle_hash: TEXT, version: TEXT, policy_key: TEXT },
  required: ['running'],
  description: 'With counts of what was decided and how often it differed, while one is or was tried.',
};
const POLICY: Schema = {
  type: 'object',
  properties: {
    bundle_hash: TEXT,
    version: TEXT,
    policy_key: TEXT,
    rules: object({ hash: TEXT, version: { type: ['string', 'integer', 'null'] } }, ['hash', 'version']),
    pinned: object({ hash: TEXT_OR_NULL, key_id: TEXT_OR_NULL }, ['hash', 'key_id']),
    keys: object({ in_force: TEXT_OR_NULL, successor: TEXT_OR_NULL, revoked: { type: 'array', items: TEXT } }, [
      'in_force',
      'successor',
      'revoked',
    ]),
    newest: { anyOf: [{ type: 'null' }, object({ version: TEXT, bundle_hash: TEXT }, ['version', 'bundle_hash'])] },
    shadow: SHADOW,
  },
  required: ['bundle_hash', 'version', 'policy_key', 'rules', 'pinned', 'keys', 'newest', 'shadow'],
};
/** What lies on the disk is not what may be put in force. */
const NOT_IN_FORCE = [
  'POLICY_INVALID',
  'POLICY_HASH_MISMATCH',
  'POLICY_SIGNATURE_INVALID',
  'POLICY_VERSION_OLD',
  'POLICY_KEY_REVOKED',
  'POLICY_UNAPPROVED',
  'CATALOG_INVALID',
  'CATALOG_HASH_MISMATCH',
  'CATALOG_UNAPPROVED',
  'INSPECTION_INVALID',
] as const;
const ACTIVATION = object({ activated: { type: 'boolean' }, bundle_hash: TEXT, version: TEXT, policy_key: TEXT }, [
  'activated',
  'bundle_hash',
  'version',
  'policy_key',
]);

/** What operators may ask about the policy, and do to it. */
export function policyRoutes(policy: PolicyOperations): OperatorRoute[] {
  return [...showing(policy), ...activating(policy), ...keys(policy)];
}

function showing(policy: PolicyOperations): OperatorRoute[] {
  return [
    {
      ...{ method: 'GET', path: 'policy', operationId: 'showPolicy', mutates: false, roles: ROLES },
      summary: 'What is in force, what is pinned, and which keys may sign.',
      answer: POLICY,
      serve: () => policy.show(),
    },
    {
      ...{ method: 'GET', path: 'policy/shadow', operationId: 'showShadowPolicy', mutates: false, roles: ROLES },
      summary: 'What the bundle that is tried beside the one in force would have decided otherwise.',
      answer: SHADOW,
      serve: () => policy.showShadow(),
    },
  ];
}

function activating(policy: PolicyOperations): OperatorRoute[] {
  const common = { method: 'POST', mutates: true, roles: ['operator'] } as const;
  return [
    {
      ...{ ...common, path: 'policy/activate', operationId: 'activatePolicy' },
      summary: 'Puts in force what bundle, catalog and inspection rules now are on disk.',
      body: object({ bundle_hash: HASH }),
      refusals: NOT_IN_FORCE,
      answer: ACTIVATION,
      serve: ({ by, body }) => policy.activate(by, textOrNull(body, 'bundle_hash')),
    },
    {
      ...{ ...common, path: 'policy/shadow', operationId: 'startShadowPolicy' },
      summary: 'Tries the bundle on disk beside the one in force.',
      refusals: NOT_IN_FORCE,
      answer: SHADOW,
      serve: ({ by }) => policy.startShadow(by),
    },
    {
      ...{ ...common, path: 'policy/shadow/stop', operationId: 'stopShadowPolicy' },
      summary: 'Ends the trial and enters its result.',
      answer: SHADOW,
      serve: ({ by }) => policy.stopShadow(by),
    },
  ];
}

function keys(policy: PolicyOperations): OperatorRoute[] {
  const common = { method: 'POST', mutates: true, roles: ['operator'] } as const;
  return [
    {
      ...{ ...common, path: 'policy/revoke-key', operationId: 'revokePolicyKey' },
      summary: 'Nothing that this key signed is activated from now on.',
      body: object({ key_id: KEY_ID, reason: REASON }, ['key_id', 'reason']),
      answer: object(
        {
          key_id: KEY_ID,
          known: { type: 'boolean' },
          signs_what_is_in_force: { type: 'boolean' },
          key_in_force: TEXT_OR_NULL,
        },
        ['key_id', 'known', 'signs_what_is_in_force', 'key_in_force'],
      ),
      serve: ({ by, body }) => policy.revokeKey(by, String(body.key_id), String(body.reason)),
    },
    {
      ...{ ...common, path: 'policy/succeed-key', operationId: 'succeedPolicyKey' },
      summary: 'Another key signs from now on, as the one in force says in a signed statement.',
      refusals: ['POLICY_SIGNATURE_INVALID', 'POLICY_KEY_REVOKED'],
      body: object({ statement: { description: 'As `cmcp policy successor` writes it.' } }, ['statement']),
      answer: { type: 'object' },
      serve: ({ by, body }) => policy.succeedKey(by, member(body, 'statement') ?? null),
    },
  ];
}

function textOrNull(body: JsonObject, name: string): string | null {
  const text = member(body, name);
  return typeof text === 'string' ? text : null;
}
