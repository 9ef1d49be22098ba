import { approversDigest, type JsonObject } from '@cmcp/evidence';
import { approvalCallback, type CallbackConfig, callbackOf } from './approval-callback.ts';
import { duration, integer, list, named, nullable, oneOf, required, section, setting, text } from './readers.ts';

/** Who answers where a policy says `@approver("name")`. */
export interface ApproverConfig {
  /** Names of the operators whose word it is. */
  operators: string[];
  /** Raw Ed25519 public keys (base64url) of their own, which the gateway never holds. */
  keys: string[];
  /** A word without a signature of one of the keys does not count. */
  requiredSignature: boolean;
}

/** How calls are approved that policy asks about. */
export interface ApprovalsConfig {
  approvers: Record<string, ApproverConfig>;
  /** Requests that may be open at once, in all and of one caller. */
  maxOpen: number;
  maxOpenPerCaller: number;
  /** The longest that one may wait to be answered and used, whatever `@ttl` says. */
  ttlMs: number;
  /** The machine that is asked where a policy says so; null: there is none, and what it would be asked expires. */
  callback: CallbackConfig | null;
}

/** Entries join names by commas. */
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._:@/-]{0,98}[A-Za-z0-9])?$/;

const operator = text('the name of an operator: 1 to 128 printable ASCII characters', (given) =>
  /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/.test(given) ? given : undefined,
);

const publicKey = text('an Ed25519 public key, as `cmcp approve keygen` prints it', (given) =>
  /^[A-Za-z0-9_-]{43}$/.test(given) ? given : undefined,
);

const approver = section('an approver', {
  operators: required(list(operator), 'The operators whose word it is, by their names.'),
  keys: setting(list(publicKey), '[]', 'Public keys of their own that they may sign with.'),
  required_signature: setting(
    oneOf('true', 'false'),
    'false',
    'Whether a word does not count that none of the keys signed. One that is signed by another key never does.',
  ),
});

/** The section `approvals` of the configuration. */
export const approvalsReader = section('how calls are approved', {
  approvers: setting(
    named('the name of an approver', NAME, approver, 'Who answers for the policies that name it as `@approver`.'),
    '{}',
    'Who may approve what policies ask a certain person about (docs/approvals.md).',
  ),
  callback: setting(
    nullable(approvalCallback),
    'null',
    'A machine of yours that is asked about calls that policy defers (docs/approvals.md). Null: none, and such calls expire.',
  ),
  max_open: setting(integer(1, 10_000), '500', 'Requests for approval that are kept at once.'),
  max_open_per_caller: setting(integer(1, 10_000), '20', 'The same, of one caller.'),
  ttl: setting(
    duration('1s', '7d'),
    '24h',
    'The longest that a request waits to be answered and used, whatever the policy’s `@ttl` says.',
  ),
});

type Given = Exclude<ReturnType<typeof approvalsReader.read>, undefined>;

/** What is wrong with the section that was read goes to `report`. */
export function approvalsConfig(
  folder: string,
  given: Given,
  report: (key: string, message: string) => void,
): ApprovalsConfig {
  for (const [name, { operators, keys, required_signature: signed }] of Object.entries(given.approvers)) {
    const path = `approvals.approvers.${name}`;
    if (operators.length === 0) report(`${path}.operators`, 'names nobody, so nobody could ever approve');
    if (signed === 'true' && keys.length === 0)
      report(`${path}.keys`, 'needs a key: `required_signature` is `true`. `cmcp approve keygen` makes one');
  }
  return {
    approvers: Object.fromEntries(
      Object.entries(given.approvers).map(([name, { operators, keys, required_signature: signed }]) => [
        name,
        { operators, keys, requiredSignature: signed === 'true' },
      ]),
    ),
    maxOpen: given.max_open,
    maxOpenPerCaller: given.max_open_per_caller,
    ttlMs: given.ttl,
    callback: given.callback && callbackOf(folder, given.callback),
  };
}

/** What a session commits to of who approves. Order in the file has no meaning. */
export function approversHash({ approvers }: ApprovalsConfig): string {
  return approversDigest(new Map(Object.entries(approvers)));
}

/** The same as hashes of the configuration cover it: without the place of a file. */
export function approvalsSettings(config: ApprovalsConfig): JsonObject {
  const { secretFile: _, ...callback } = config.callback ?? { secretFile: null };
  return { ...config, approvers: approversHash(config), callback: config.callback && callback };
}
