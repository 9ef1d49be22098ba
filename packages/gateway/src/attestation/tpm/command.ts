import { FormatError } from '@cmcp/evidence';
import { readAnswer, sized } from './answer.ts';
import type { AuthSession, LoadedKey } from './api.ts';
import { RH, TPMA_SESSION } from './constants.ts';
import { refusal, TpmError } from './error.ts';
import { answerFrame, commandFrame } from './frame.ts';
import { type AnswerArea, answerDigest, commandDigest, type OpenSession, SessionUse } from './session.ts';
import { TpmWriter } from './writer.ts';

const NOTHING = new Uint8Array();

/** What authorises a handle: its empty auth value, or a session. */
export type Authorisation = 'empty' | AuthSession;

/** A command of TPM 2.0 Part 3, before its sessions have been applied. */
export interface Command {
  /** For errors. */
  name: string;
  /** TPM_CC. */
  code: number;
  /** The handle area, in order. */
  handles?: readonly (number | LoadedKey)[];
  /** For the first handles, in order. */
  authorisations?: readonly Authorisation[];
  /** A session that encrypts the first parameter of the command, of the answer, or of both. */
  encryption?: { session: AuthSession; command: boolean; answer: boolean } | undefined;
  parameters?: Uint8Array<ArrayBuffer>;
  /** Whether the answer begins with the handle of an object or session that now exists. */
  opens?: boolean;
  /** The handle that is gone once the command has succeeded. */
  flushes?: number;
}

/** What a command is marshalled with. */
export interface CommandContext {
  /** @throws TpmError `closed` when it is no session of this kind that is open */
  session(session: AuthSession, kind: OpenSession['kind']): OpenSession;
  /** A fresh nonce. */
  nonce(): Uint8Array<ArrayBuffer>;
}

/** A command as it crosses the bus, and how its answer is read. */
export interface MarshalledCommand {
  bytes: Uint8Array<ArrayBuffer>;
  /** @throws TpmError `refused` or `response` */
  handleOf(answer: Uint8Array<ArrayBuffer>): number | null;
  /** Contents of the answer's parameters, in clear. @throws TpmError `refused` or `response` */
  parametersOf(answer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
}

/** Puts a command into bytes. A session's nonces roll by it, so it is sent at once or not at all. */
export function marshal(command: Command, context: CommandContext): MarshalledCommand {
  const { name, code, handles = [], parameters = NOTHING } = command;
  const uses = sessionUses(command, context);
  const sent = uses.reduce((bytes, use) => use?.encryptCommand(bytes) ?? bytes, parameters);
  const rest = new TpmWriter();
  for (const handle of handles) rest.u32(typeof handle === 'number' ? handle : handle.handle);
  if (uses.length > 0) rest.sized32(commandAreas(uses, commandDigest(code, handles.map(nameOfHandle), sent)));
  const withSessions = uses.length > 0;
  const split = (answer: Uint8Array<ArrayBuffer>) => splitAnswer(answer, name, command.opens === true, uses.length);
  return {
    bytes: commandFrame(code, withSessions, rest.bytes(sent).done()),
    handleOf: (answer) => split(answer).handle,
    parametersOf: (answer) => {
      const { parameters: received, areas } = split(answer);
      const digest = answerDigest(code, received);
      for (const [i, area] of areas.entries()) acceptArea(uses[i] ?? null, area, digest);
      return uses.reduce((bytes, use) => use?.decryptAnswer(bytes) ?? bytes, received);
    },
  };
}

/** null: an empty auth value, which is a password (TPM_RS_PW). */
function sessionUses(command: Command, context: CommandContext): (SessionUse | null)[] {
  const { authorisations = [], encryption } = command;
  const uses = authorisations.map((by) =>
    by === 'empty' ? null : new SessionUse(context.session(by, 'policy'), context.nonce(), 0),
  );
  if (encryption === undefined) return uses;
  const attributes = (encryption.command ? TPMA_SESSION.decrypt : 0) | (encryption.answer ? TPMA_SESSION.encrypt : 0);
  return [...uses, new SessionUse(context.session(encryption.session, 'hmac'), context.nonce(), attributes)];
}

function commandAreas(uses: readonly (SessionUse | null)[], digest: Uint8Array): Uint8Array<ArrayBuffer> {
  const areas = new TpmWriter();
  for (const use of uses) areas.bytes(use?.commandArea(digest) ?? passwordArea());
  return areas.done();
}

function passwordArea(): Uint8Array<ArrayBuffer> {
  return new TpmWriter().u32(RH.password).sized(NOTHING).u8(0).sized(NOTHING).done();
}

function acceptArea(use: SessionUse | null, area: AnswerArea, digest: Uint8Array): void {
  use?.acceptAnswer(area, digest);
  if (use === null && area.nonce.length + area.hmac.length > 0) {
    throw new TpmError('response', 'The answer to a password is authenticated by a session');
  }
}

/** The Name of an object; of anything else that has no public area, its handle (TPM 2.0 Part 1, section 16). */
function nameOfHandle(handle: number | LoadedKey): Uint8Array {
  return typeof handle === 'number' ? new TpmWriter().u32(handle).done() : handle.name;
}

interface SplitAnswer {
  handle: number | null;
  parameters: Uint8Array<ArrayBuffer>;
  areas: AnswerArea[];
}

function splitAnswer(answer: Uint8Array<ArrayBuffer>, name: string, opens: boolean, sessions: number): SplitAnswer {
  const { code, withSessions, rest } = answerFrame(answer, name);
  if (code !== 0) throw refusal(name, code);
  return readAnswer(rest, `answer to ${name}`, (reader) => {
    if (withSessions !== sessions > 0) throw new FormatError('its tag is not that of the command');
    const handle = opens ? reader.u32be('handle') : null;
    const size = withSessions ? reader.u32be('size of parameters') : reader.left;
    const parameters = reader.take(size, 'parameters');
    const areas = Array.from({ length: sessions }, () => ({
      nonce: sized(reader, 'nonce'),
      attributes: reader.u8('session attributes'),
      hmac: sized(reader, 'HMAC'),
    }));
    return { handle, parameters, areas };
  });
}
