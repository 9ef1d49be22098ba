import { canonicalSorted, isObject, type JsonObject, type JsonValue } from '@cmcp/evidence';
import { storedObject } from './stored-object.ts';

/** Which counter anchors a store, and what it will have reached once it was advanced. Plain values: they cross threads. */
export interface AnchorPosition {
  /** Handle of the NV index. */
  index: number;
  /** Decimal digits of a 64-bit number; null while the counter has not been brought into use. */
  value: string | null;
}

/** What a store must at least hold, from the moment on at which the record was made. */
export interface AnchoredState {
  /** The last claim. Each names the one before, so it stands for all of them. */
  claim: { number: number; digest: string } | null;
  /** Sessions that were open, and how far. */
  open: { session: string; length: number; tip: string }[];
}

/** What a store records about the counter that anchors it. */
export interface Anchor extends AnchorPosition {
  state: AnchoredState;
}

const FORM = 1;

/** The text that is stored and authenticated. */
export function anchorText({ index, value, state }: Anchor): string {
  return canonicalSorted({ cmcp_anchor: FORM, index, value, claim: state.claim, open: state.open });
}

/** Reads what {@link anchorText} wrote; null for anything else. */
export function readAnchor(text: string): Anchor | null {
  const anchor = anchorIn(storedObject(text));
  // Whatever was left out, added or spelled otherwise shows here.
  return anchor !== null && anchorText(anchor) === text ? anchor : null;
}

function anchorIn({ index, value, claim, open }: JsonObject): Anchor | null {
  const counted = value === null || (typeof value === 'string' && /^(?:0|[1-9]\d{0,19})$/.test(value));
  if (typeof index !== 'number' || !counted || !Array.isArray(open)) return null;
  const claimed = claim === null ? null : claimIn(claim);
  const sessions = open.map(sessionIn).filter((session) => session !== null);
  if (claimed === undefined || sessions.length < open.length) return null;
  return { index, value, state: { claim: claimed, open: sessions } };
}

function claimIn(value: JsonValue | undefined): AnchoredState['claim'] | undefined {
  const { number, digest } = isObject(value) ? value : {};
  return typeof number === 'number' && typeof digest === 'string' ? { number, digest } : undefined;
}

function sessionIn(value: JsonValue): AnchoredState['open'][number] | null {
  const { session, length, tip } = isObject(value) ? value : {};
  const whole = typeof session === 'string' && typeof length === 'number' && typeof tip === 'string';
  return whole ? { session, length, tip } : null;
}
