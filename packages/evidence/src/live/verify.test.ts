import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifyLiveAttestation, writeLiveDocument, writeLiveRecord } from '../index.ts';
import { answer, expected, NONCE, NOW, TLS_SPKI } from '../testing/live.ts';
import { newKey } from '../testing/session.ts';

const given = { nonce: NONCE, tlsSpki: TLS_SPKI, now: NOW };

test('a gateway without hardware is verified under its pinned key only when a software key is accepted', async () => {
  const key = await newKey();
  const document = await answer(key);
  for (const text of [writeLiveDocument(document), writeLiveRecord(document)]) {
    const accepted = await verifyLiveAttestation(text, given, { ...expected(key), acceptSoftware: true });
    assert.equal(accepted.verdict, 'verified', accepted.summary);
    assert.match(accepted.summary, /No hardware vouches for it\.$/);
    assert.deepEqual(accepted.relaxations, ['accept: software']);
    assert.deepEqual(accepted.statement, document.statement);
    const strict = await verifyLiveAttestation(text, given, expected(key));
    assert.equal(strict.verdict, 'unverified');
    assert.deepEqual(strict.lacking, ['accept: software']);
    const unpinned = await verifyLiveAttestation(text, given, { ...expected(null), acceptSoftware: true });
    assert.equal(unpinned.verdict, 'unverified');
    assert.deepEqual(unpinned.lacking, ['keys']);
  }
});
