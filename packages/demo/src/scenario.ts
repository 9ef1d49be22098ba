import { POISONED } from './servers/outbox.ts';
import type { Workspace } from './workspace.ts';

/** One call of the story, and how it goes. */
export interface CallStep {
  id: string;
  title: string;
  tool: string;
  arguments: Record<string, unknown>;
  expected: { decided: 'allowed' | 'refused'; by: string; code?: string; exposure: [before: string, after: string] };
  /** Beside what the gateway itself says of a refusal. */
  why: string;
  /** How many updates the outside world has seen after this step. */
  published: number;
}

const ALLOWED_BY = 'allow-catalogued-tools';
const NO_WRITE_OUT = 'no-external-writes-after-sensitive-data';

/** The first session: ordinary work, and two refusals. */
export function firstSession({ files }: Workspace): CallStep[] {
  return [...ordinaryWork(files.folder), ...twoRefusals(files.deployKey)];
}

const REFUND = { text: 'Whoever ordered on Monday gets a refund of 5 EUR.' };

/** What a person has to decide. */
export function refundAskedFor(): CallStep {
  return {
    id: 'held-for-approval',
    title: 'It publishes a promise of money',
    tool: 'post_update',
    arguments: REFUND,
    expected: {
      decided: 'refused',
      by: 'refunds-need-a-person',
      code: 'STEP_UP_REQUIRED',
      exposure: ['public', 'public'],
    },
    why: 'No rule can say whether that is right, so the policy asks for a person. The call waits.',
    published: 1,
  };
}

/** The same call once a person has answered. */
export function refundAnswered(granted: boolean): CallStep {
  const step = { title: 'It makes the same call again', tool: 'post_update', arguments: REFUND };
  const exposure: CallStep['expected']['exposure'] = ['public', 'public'];
  if (granted)
    return {
      ...{ ...step, id: 'approved-call', published: 2 },
      expected: { decided: 'allowed', by: ALLOWED_BY, exposure },
      why: 'The approval was for exactly this call: this agent, this tool, these arguments. It is used up now.',
    };
  return {
    ...{ ...step, id: 'refused-call', published: 1 },
    expected: { decided: 'refused', by: 'approval_refused', code: 'APPROVAL_REFUSED', exposure },
    why: 'A person said no, and no it stays.',
  };
}

function ordinaryWork(folder: string): CallStep[] {
  const expected: CallStep['expected'] = { decided: 'allowed', by: ALLOWED_BY, exposure: ['public', 'public'] };
  return [
    {
      id: 'allowed-filesystem',
      title: 'It looks around',
      tool: 'list_directory',
      arguments: { path: folder },
      expected,
      why: 'The tool is in the catalog and no rule speaks against this call. File names count as public.',
      published: 0,
    },
    {
      id: 'allowed-everything',
      title: 'It adds two numbers',
      tool: 'get-sum',
      arguments: { a: 19, b: 23 },
      expected,
      why: 'Approved, and nothing speaks against it.',
      published: 0,
    },
    {
      id: 'allowed-memory',
      title: 'It remembers something',
      tool: 'create_entities',
      arguments: { entities: [{ name: 'Monday', entityType: 'incident', observations: ['cache too small'] }] },
      expected,
      why: 'Approved. This one changes something, so the intent was on disk before the call was sent.',
      published: 0,
    },
    {
      id: 'allowed-outbox',
      title: 'It looks up a rate, at a server outside',
      tool: 'lookup_rate',
      arguments: { from: 'EUR', to: 'USD' },
      expected,
      why: 'Approved. The answer is public.',
      published: 0,
    },
    {
      id: 'external-write-before',
      title: 'It publishes an update',
      tool: 'post_update',
      arguments: { text: 'The web shop is fast again.' },
      expected,
      why: 'A write to the outside is fine for an agent that has seen only public data. Remember this one.',
      published: 1,
    },
  ];
}

function twoRefusals(secret: string): CallStep[] {
  return [
    {
      id: 'forbidden-argument',
      title: 'It asks for a secret, with a tool that it may use',
      tool: 'read_text_file',
      arguments: { path: secret },
      expected: { decided: 'refused', by: 'secrets-stay-unread', code: 'POLICY_DENY', exposure: ['public', 'public'] },
      why: 'The rule looks at the argument, not only at the tool. The server was never asked.',
      published: 1,
    },
    {
      id: 'not-in-catalog',
      title: 'It tries a tool that nobody approved',
      tool: 'get-env',
      arguments: {},
      expected: {
        decided: 'refused',
        by: 'catalog_miss',
        code: 'TOOL_NOT_IN_CATALOG',
        exposure: ['public', 'public'],
      },
      why: 'Server "everything" does offer get-env, which shows environment variables. Offered is not approved.',
      published: 1,
    },
  ];
}

/** Customer data, and what follows from it. `published`: updates so far. */
export function customerData({ files: { customers } }: Workspace, published: number): CallStep[] {
  return [
    {
      id: 'customer-data',
      title: 'It reads the customer list',
      tool: 'read_text_file',
      arguments: { path: customers },
      expected: { decided: 'allowed', by: ALLOWED_BY, exposure: ['public', 'pii'] },
      why: 'That is its work. But from now on the gateway knows that this agent has seen customer data.',
      published,
    },
    {
      id: 'external-write-after',
      title: 'It publishes an update, as before',
      tool: 'post_update',
      arguments: { text: 'Our best customer is Ada Example.' },
      expected: { decided: 'refused', by: NO_WRITE_OUT, code: 'POLICY_DENY', exposure: ['pii', 'pii'] },
      why: 'The same tool was allowed before. What changed is what the agent has seen.',
      published,
    },
  ];
}

/** The second session, same agent: nothing was forgotten. */
export function externalWriteFromNewSession(published: number): CallStep {
  return {
    id: 'external-write-new-session',
    title: 'The same agent tries again from a new session, over MCP 2026-07-28',
    tool: 'post_update',
    arguments: { text: 'Ada Example lives in Lisbon.' },
    expected: { decided: 'refused', by: NO_WRITE_OUT, code: 'POLICY_DENY', exposure: ['pii', 'pii'] },
    why: 'What an agent has seen belongs to the agent, not to the session. Ending one forgets nothing.',
    published,
  };
}

/** After the outbox has changed what `lookup_rate` says of itself. */
export function callAfterRugPull(published: number): CallStep {
  return {
    id: 'rug-pull',
    title: 'A server rewrites a tool that was approved, and the agent calls it',
    tool: 'lookup_rate',
    arguments: { from: 'EUR', to: 'USD' },
    expected: { decided: 'refused', by: 'catalog_drift', code: 'CATALOG_DRIFT', exposure: ['pii', 'pii'] },
    why: `Its description now reads: "${POISONED}" That is not what was approved, so it is refused until somebody approves it.`,
    published,
  };
}
