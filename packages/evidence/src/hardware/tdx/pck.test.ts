import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TAG, writeDer } from '../../crypto/der.ts';
import { type Certificate, parseCertificate } from '../../crypto/x509.ts';
import { FormatError } from '../../format-error.ts';
import { TDX_PLATFORM } from '../../testing/tdx.ts';
import { makeTdxPki } from '../../testing/tdx-pki.ts';
import { filled, joinBytes, type PlatformSpec, writeSgxExtension } from '../../testing/tdx-quote.ts';
import { readPckPlatform, SGX_EXTENSION } from './pck.ts';

const PCK = parseCertificate((await makeTdxPki(TDX_PLATFORM)).pck.der);

function saying(value: Uint8Array<ArrayBuffer>): Certificate {
  return { ...PCK, extensions: new Map([[SGX_EXTENSION, { critical: false, value }]]) };
}

function platform(changes: Partial<PlatformSpec>): Certificate {
  return saying(writeSgxExtension({ ...TDX_PLATFORM, ...changes }));
}

function refused(certificate: Certificate, message: RegExp): void {
  assert.throws(
    () => readPckPlatform(certificate),
    (error) => error instanceof FormatError && message.test(error.message),
    `${message}`,
  );
}

test('a PCK certificate says which platform it is for and how new its TCB is', () => {
  const components = Uint8Array.from({ length: 16 }, (_, i) => 250 - i);
  const fmspc = Uint8Array.of(1, 2, 3, 4, 5, 0xab);
  assert.deepEqual(readPckPlatform(platform({ components, fmspc, pceId: Uint8Array.of(7, 8), pceSvn: 0x8001 })), {
    fmspc: '0102030405ab',
    pceId: '0708',
    cpuSvn: Buffer.from(components).toString('hex'),
    pceSvn: 0x8001,
    components: [...components],
  });
  assert.equal(readPckPlatform(PCK).pceSvn, TDX_PLATFORM.pceSvn);
});

test('a certificate without the SGX extension is no PCK certificate', () => {
  refused({ ...PCK, extensions: new Map() }, /no PCK certificate/);
});

test('fields that are missing, doubled, of another length or out of range are refused', () => {
  refused(platform({ fmspc: filled(5, 1) }), /5 bytes, not 6/);
  refused(platform({ pceId: filled(3, 1) }), /3 bytes, not 2/);
  refused(platform({ components: filled(15, 1) }), /missing/);
  refused(platform({ pceSvn: 0xffff_ff }), /between 0 and 65535/);
  refused(saying(writeDer(TAG.sequence)), /missing/);
  const whole = writeSgxExtension(TDX_PLATFORM);
  const fields = whole.slice(4);
  refused(saying(writeDer(TAG.sequence, fields, fields)), /there twice/);
  const triple = writeDer(TAG.sequence, writeDer(TAG.oid, Uint8Array.of(0x2a)), writeDer(TAG.null), writeDer(TAG.null));
  refused(saying(writeDer(TAG.sequence, triple, fields)), /pair/);
  refused(saying(joinBytes(whole, Uint8Array.of(0))), /follow/);
});

test('a component with a negative or too large number is refused', () => {
  const at = Buffer.from(writeSgxExtension(TDX_PLATFORM)).indexOf(Buffer.from('0b2a864886f84d010d010201020102', 'hex'));
  const value = writeSgxExtension(TDX_PLATFORM);
  value[at + 14] = 0xff;
  refused(saying(value), /between 0 and 255/);
});

test('any extension gives a platform or a FormatError', () => {
  const value = writeSgxExtension(TDX_PLATFORM);
  const total = (bytes: Uint8Array<ArrayBuffer>) => {
    try {
      readPckPlatform(saying(bytes));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  };
  const edits = fc.array(fc.tuple(fc.nat(value.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 4 });
  fc.assert(
    fc.property(edits, (changes) => {
      const changed = value.slice();
      for (const [offset, byte] of changes) changed[offset] = byte;
      total(changed);
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => total(new Uint8Array(bytes))));
});
