import type { Page } from 'playwright-core';
import { type SessionFile, stringifyJson } from '../../packages/evidence/src/index.ts';
import {
  CATALOG_HASH,
  type CallSpec,
  makeSession,
  newKey,
  POLICY_HASH,
  type TestKey,
} from '../../packages/evidence/src/testing/session.ts';
import { choose, type TestFile } from './chromium.ts';

const TOOLS = ['files.read', 'search', 'crm.lookup', 'mail.send'];

/** Calls of several tools, every fourth denied. */
export function calls(count: number): CallSpec[] {
  return Array.from({ length: count }, (_, i) => ({
    kind: i % 4 === 3 ? 'deny' : 'allow',
    tool: TOOLS[i % TOOLS.length] ?? '',
    domain: 'general',
    dataClass: 'public',
  }));
}

/** A software session, as text, with the file of its key. */
export interface MadeSession {
  key: TestKey;
  session: SessionFile;
  file: TestFile;
  keyFile: TestFile;
}

export async function made(count: number, name = 'session.cmcp.json'): Promise<MadeSession> {
  const key = await newKey();
  const session = await makeSession(key, calls(count));
  return {
    key,
    session,
    file: { name, text: stringifyJson(session) },
    keyFile: { name: 'gateway.jwk', text: JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x: key.x }) },
  };
}

/** Fills in what verifies a session of {@link made}: its key, its hashes, and that it is a software session. */
export async function pin(page: Page, { keyFile }: MadeSession): Promise<void> {
  await choose(page, 'Add a file… Keys that you trust', [keyFile]);
  await page.getByRole('textbox', { name: 'Policy hash' }).fill(POLICY_HASH);
  await page.getByRole('textbox', { name: 'Catalog hash' }).fill(CATALOG_HASH);
  await page.getByLabel('Accept a software key').check();
}

/** The expectations that {@link pin} stands for, in Node. */
export function pinned({ key, keyFile }: MadeSession) {
  return {
    keys: [{ x: key.x, source: keyFile.name }],
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    acceptSoftware: true,
  };
}
