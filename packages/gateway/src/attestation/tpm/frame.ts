import { FormatError } from '@cmcp/evidence';
import { readAnswer } from './answer.ts';
import { ST } from './constants.ts';
import { TpmWriter } from './writer.ts';

/** Tag, size and code: what each command and answer begins with (TPM 2.0 Part 1, section 18). */
export const HEAD_BYTES = 10;

/** A whole command. `rest`: handles, sessions, parameters. */
export function commandFrame(code: number, withSessions: boolean, rest: Uint8Array): Uint8Array<ArrayBuffer> {
  const tag = withSessions ? ST.sessions : ST.noSessions;
  return new TpmWriter()
    .u16(tag)
    .u32(HEAD_BYTES + rest.length)
    .u32(code)
    .bytes(rest)
    .done();
}

/** What an answer's header says. */
export interface AnswerFrame {
  /** 0: success. */
  code: number;
  withSessions: boolean;
  rest: Uint8Array<ArrayBuffer>;
}

/**
 * Takes an answer apart: its size is that of what came, and one that is not of success is nothing but a code.
 *
 * @throws TpmError `response`
 */
export function answerFrame(answer: Uint8Array<ArrayBuffer>, command: string): AnswerFrame {
  return readAnswer(answer, `answer to ${command}`, (reader) => {
    const tag = reader.u16be('tag');
    const size = reader.u32be('size');
    const code = reader.u32be('code');
    if (tag !== ST.noSessions && tag !== ST.sessions) throw new FormatError(`the tag is 0x${tag.toString(16)}`);
    if (size !== answer.length) throw new FormatError(`it says that it has ${size} bytes, and has ${answer.length}`);
    const withSessions = tag === ST.sessions;
    if (code !== 0 && (withSessions || reader.left > 0)) throw new FormatError('it is no success, and has contents');
    return { code, withSessions, rest: reader.take(reader.left, 'contents') };
  });
}
