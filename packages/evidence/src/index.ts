export type { Checkpoint } from './audit/checkpoint.ts';
export type { AuditEntry, ChainMembers, EntryDraft, EntryType, PolicyDecision } from './audit/entry.ts';
export type { GatewayClaim } from './claim/claim.ts';
export { isObject, JsonNumber, type JsonObject, type JsonValue, member, setMember } from './json/value.ts';
export type { Check, Outcome, Report, Verdict } from './report.ts';
export { SESSION_FORMAT, type SessionFile } from './session-file.ts';
