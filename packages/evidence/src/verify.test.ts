import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import {
  type AuditEntry,
  combine,
  decodeHex,
  type Expectations,
  encodeBase64Url,
  type GatewayClaim,
  type JsonObject,
  jwkThumbprint,
  type Report,
  type SessionFile,
  sha256,
  stringifyJson,
  verify,
} from './index.ts';
import {
  adopt,
  CATALOG_HASH,
  checkpoint,
  type EventSpec,
  makeSession,
  newKey,
  numbered,
  POLICY_HASH,
  relink,
  START_SECONDS,
  seal,
  sign,
  type TestKey,
  timestamp,
} from './testing/session.ts';

const EVENTS: EventSpec[] = [
  { kind: 'allow', tool: 'crm.query', domain: 'pii', dataClass: 'pii' },
  { kind: 'deny', tool: 'mail.send', domain: 'external', dataClass: 'public', sources: ['pii'] },
  { kind: 'mcp_request' },
  { kind: 'miss', tool: 'nope', domain: '', dataClass: '' },
  { kind: 'catalog_drift' },
  { kind: 'egress_denied', tool: 'crm.query', domain: 'pii', dataClass: 'pii' },
  { kind: 'fault', tool: 'crm.query', domain: 'pii', dataClass: 'pii' },
  { kind: 'step_up', tool: 'db.drop', domain: 'internal', dataClass: 'public' },
];

let key: TestKey;
let stranger: TestKey;

before(async () => {
  [key, stranger] = await Promise.all([newKey(), newKey()]);
});

function pins(more: Expectations = {}): Expectations {
  return {
    keys: [{ x: key.x, source: 'gateway.jwk' }],
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    acceptSoftware: true,
    ...more,
  };
}

/** All pins but the given ones. */
function without(...names: (keyof Expectations)[]): Expectations {
  return Object.fromEntries(Object.entries(pins()).filter(([name]) => !names.some((left) => left === name)));
}

const check = (file: SessionFile, expectations = pins()): Promise<Report> => verify(stringifyJson(file), expectations);
const failures = (report: Report): string[] =>
  report.checks.filter((one) => one.outcome === 'failed').map((one) => one.id);
const outcome = (report: Report, id: string): string | undefined => report.checks.find((one) => one.id === id)?.outcome;

/** The call entries of a file. */
function entryAt(file: SessionFile, i: number): AuditEntry {
  const entry = file.bundle.entries.at(i);
  if (entry === undefined) throw new Error(`no entry ${i}`);
  return entry;
}

test('a software session is verified when its key, policy and catalog are pinned [UX-02] [D-36] [W-09]', async () => {
  const report = await check(await makeSession(key, EVENTS));
  assert.equal(report.verdict, 'verified', report.summary);
  assert.match(report.summary, /software session/);
  assert.deepEqual(report.lacking, []);
  assert.deepEqual(report.relaxations, ['--accept-software']);
  assert.ok(report.checks.filter((one) => one.required).every((one) => one.outcome === 'proven'));
});

test('every pin that was used stands beside what it proved, in three columns [UX-01]', async () => {
  const { checks } = await check(await makeSession(key, EVENTS));
  const against = (id: string): string | null | undefined => checks.find((one) => one.id === id)?.against;
  assert.equal(against('key.pinned'), 'gateway.jwk');
  assert.equal(against('policy.hash'), POLICY_HASH);
  assert.equal(against('catalog.hash'), CATALOG_HASH);
  assert.deepEqual([...new Set(checks.map((one) => one.outcome))].sort(), ['asserted', 'not checked', 'proven']);
});

test('what no file can show is in every report: other sessions, true times, content [UX-08]', async () => {
  const report = await check(await makeSession(key, EVENTS));
  assert.equal(outcome(report, 'sessions.others'), 'not checked');
  assert.equal(outcome(report, 'times.true'), 'asserted');
  assert.equal(outcome(report, 'times.age'), 'asserted');
  assert.match(report.residual.join('\n'), /Response content was not inspected in 1 calls/);
  assert.match(report.residual.join('\n'), /software key/);
});

test('a report shows which calls carried what, and the edges between domains; a session without any says nothing [L-09]', async () => {
  const { flow } = await check(await makeSession(key, EVENTS));
  const mail = { sequence_number: 2, tool_name: 'mail.send', decision: 'deny' };
  assert.deepEqual(
    flow?.carrying.map(({ call_id: _, ...rest }) => rest),
    [{ ...mail, sources: ['pii.read'], max_sensitivity: 'pii', complete: true }],
  );
  assert.deepEqual(
    flow?.crossings.map(({ basis, from_domain, to_domain }) => `${basis} ${from_domain}>${to_domain}`),
    ['observed pii>external', 'temporal pii>external', 'temporal pii>internal'],
  );
  assert.equal((await check(await makeSession(key))).flow, undefined);
});

test('the same file and expectations give the same report [G23]', async () => {
  const text = stringifyJson(await makeSession(key, EVENTS));
  assert.deepEqual(await verify(text, pins()), await verify(new TextEncoder().encode(text), pins()));
});

test('without a pinned key a software session is not verified, whatever else is relaxed [G24] [ATK-37]', async () => {
  const report = await check(await makeSession(key, EVENTS), { ...without('keys'), acceptSoftware: true });
  assert.equal(report.verdict, 'unverified');
  assert.deepEqual(report.lacking, ['--key FILE']);
});

const PINS: [string, Expectations, Report['verdict'], string][] = [
  ['the signature of another key', { keys: [{ x: 'A'.repeat(43), source: 'other' }] }, 'refused', 'key.pinned'],
  ['another policy', { policyHash: CATALOG_HASH }, 'refused', 'policy.hash'],
  ['another catalog', { catalogHash: POLICY_HASH }, 'refused', 'catalog.hash'],
  ['another measurement', { measurement: POLICY_HASH }, 'refused', 'hardware.measurement'],
  ['hardware evidence', { acceptSoftware: false }, 'unverified', 'hardware.evidence'],
  [
    'the measurement that software names',
    { acceptSoftware: false, measurement: `sha256:${'0'.repeat(64)}` },
    'unverified',
    'hardware.measurement',
  ],
  ['an age, without a clock', { maxAgeSeconds: 60 }, 'unverified', 'times.age'],
  ['a younger attestation than it has', { maxAgeSeconds: 60, now: START_SECONDS + 3600 }, 'refused', 'times.age'],
  ['a clock that is behind its times', { now: START_SECONDS - 3600 }, 'refused', 'times.possible'],
  ['a clock that is no number', { now: Number.NaN }, 'refused', 'times.possible'],
];

for (const [wanted, expectation, verdict, id] of PINS) {
  test(`asked for ${wanted}, a file is ${verdict} [G24]`, async () => {
    const report = await check(await makeSession(key, EVENTS), pins(expectation));
    assert.equal(report.verdict, verdict, report.summary);
    assert.notEqual(outcome(report, id), 'proven');
  });
}

test('a missing policy or catalog pin leaves the file unverified, and the report names the flag [G24] [UX-02]', async () => {
  const file = await makeSession(key, EVENTS);
  const report = await check(file, without('policyHash', 'catalogHash'));
  assert.equal(report.verdict, 'unverified');
  assert.match(report.summary, /^Consistent, not verified: .* \(and 1 more\)\.$/);
  assert.deepEqual(report.lacking, ['--policy-hash sha256:…', '--catalog-hash sha256:…']);
  const relaxed = await check(file, {
    ...without('policyHash', 'catalogHash'),
    unpinnedPolicy: true,
    unpinnedCatalog: true,
  });
  assert.equal(relaxed.verdict, 'verified');
  assert.deepEqual(relaxed.relaxations, ['--accept-software', '--unpinned-policy', '--unpinned-catalog']);
});

test('a pin may leave out its prefix, and a relaxed pin that is given still counts', async () => {
  const file = await makeSession(key, EVENTS);
  assert.equal((await check(file, pins({ policyHash: '0f'.repeat(32) }))).verdict, 'verified');
  assert.equal((await check(file, pins({ policyHash: 'ff'.repeat(32), unpinnedPolicy: true }))).verdict, 'refused');
});

test('an attestation inside the age that was asked for is proven recent [C-05] [C-13]', async () => {
  const file = await makeSession(key, EVENTS);
  const report = await check(file, pins({ maxAgeSeconds: 3600, now: START_SECONDS + 3600 }));
  assert.equal(report.verdict, 'verified', report.summary);
  // A clock alone asks for the age that the reference asks for: a day.
  assert.equal((await check(file, pins({ now: START_SECONDS + 86_400 }))).verdict, 'verified');
  assert.deepEqual(failures(await check(file, pins({ now: START_SECONDS + 86_402 }))), ['times.age']);
  // The clock of the gateway may be ahead of ours by the skew and no more.
  const { iat } = file.claim.trace;
  assert.equal((await check(file, pins({ now: iat - 300 }))).verdict, 'verified');
  assert.equal((await check(file, pins({ now: iat - 301 }))).verdict, 'refused');
});

test('advisory mode is not enforcing mode: it must be allowed by name', async () => {
  const file = await makeSession(key, EVENTS);
  file.claim.trace.policy.enforcement_mode = 'advisory';
  entryAt(file, 0).detail = { ...entryAt(file, 0).detail, mode: 'advisory' };
  await seal(file, key);
  const report = await check(file);
  assert.equal(report.verdict, 'unverified');
  assert.deepEqual(report.lacking, ['--allow-mode advisory']);
  assert.equal((await check(file, pins({ allowModes: ['silent'] }))).verdict, 'unverified');
  const allowed = await check(file, pins({ allowModes: ['advisory'] }));
  assert.equal(allowed.verdict, 'verified');
  assert.ok(allowed.relaxations.includes('--allow-mode advisory'));
});

test('a claim of hardware is not verified by accepting software: its evidence was not read [ATK-32]', async () => {
  const file = await makeSession(key, EVENTS);
  const nonceOf = (x: string, root: string): string =>
    encodeBase64Url(Uint8Array.of(...jwkThumbprint(x), ...sha256(decodeHex(root))));
  entryAt(file, 0).detail = { ...entryAt(file, 0).detail, trust_level: 'hardware' };
  relink(file);
  file.claim.trace.runtime = {
    platform: 'amd-sev-snp',
    measurement: `sha384:${'1'.repeat(96)}`,
    nonce: nonceOf(key.x, file.claim.gateway.audit_chain.root),
  };
  await seal(file, key);
  const report = await check(file);
  assert.equal(report.verdict, 'unverified', report.summary);
  assert.equal(outcome(report, 'hardware.evidence'), 'not checked');
  assert.equal(outcome(report, 'claim.nonce'), 'proven');
  // Evidence of one session, or of one key, in the claim of another.
  const { root } = file.claim.gateway.audit_chain;
  for (const nonce of [
    nonceOf(key.x, '00'.repeat(32)),
    nonceOf(stranger.x, root),
    nonceOf(key.x, root).slice(0, -2),
    'AA',
  ]) {
    file.claim.trace.runtime.nonce = nonce;
    await sign(file, key);
    assert.deepEqual(failures(await check(file)), ['claim.nonce']);
  }
});

/** Each lie is told by the holder of the pinned key, who makes everything else consistent: only the named check can see it. */
const CLAIM_LIES: [string, string, (claim: GatewayClaim, file: SessionFile) => void][] = [
  [
    'transcript.hash',
    'another transcript hash [D-35]',
    (c) => {
      c.trace.tool_transcript.hash = POLICY_HASH;
    },
  ],
  [
    'transcript.calls',
    'a smaller call_count [D-36]',
    (c) => {
      c.trace.tool_transcript.call_count -= 1;
    },
  ],
  [
    'transcript.calls',
    'a changed transcript decision [D-36]',
    (c) => {
      line(c, 1).decision = 'allow';
    },
  ],
  [
    'transcript.calls',
    'a changed transcript tool [D-36]',
    (c) => {
      line(c, 1).tool_name = 'crm.query';
    },
  ],
  [
    'transcript.calls',
    'a changed transcript class [D-36]',
    (c) => {
      line(c, 0).data_class = 'public';
    },
  ],
  [
    'transcript.calls',
    'a transcript with a line left out [D-36]',
    (c) => {
      c.trace.tool_transcript.entries?.pop();
    },
  ],
  [
    'summary.counts',
    'a smaller total [D-36]',
    (c) => {
      c.gateway.call_summary.tool_calls_total -= 1;
    },
  ],
  [
    'summary.counts',
    'more allowed calls [D-36]',
    (c) => {
      c.gateway.call_summary.tool_calls_allowed += 1;
    },
  ],
  [
    'summary.counts',
    'fewer denied calls [D-36]',
    (c) => {
      c.gateway.call_summary.tool_calls_denied -= 1;
    },
  ],
  [
    'summary.counts',
    'no faulted call [D-36] [W-09]',
    (c) => {
      c.gateway.call_summary.tool_calls_faulted = 0;
    },
  ],
  [
    'summary.tools',
    'a tool left out [D-36]',
    (c) => {
      c.gateway.call_summary.tools_invoked.pop();
    },
  ],
  [
    'summary.tools',
    'tools in another order [D-36]',
    (c) => {
      c.gateway.call_summary.tools_invoked.reverse();
    },
  ],
  [
    'summary.sensitivity',
    'a lower class [D-36]',
    (c) => {
      c.trace.data_class = c.gateway.call_summary.session_max_sensitivity = 'public';
    },
  ],
  [
    'summary.sensitivity',
    'a class that no entry has [D-36]',
    (c) => {
      c.trace.data_class = c.gateway.call_summary.session_max_sensitivity = 'mnpi';
    },
  ],
  [
    'summary.sensitivity',
    'two different classes [D-36]',
    (c) => {
      c.trace.data_class = 'public';
    },
  ],
  [
    'summary.domains',
    'a domain left out [D-36]',
    (c) => {
      c.gateway.call_summary.call_graph_summary.compliance_domains_touched.pop();
    },
  ],
  [
    'summary.incidents',
    'no drift [D-36]',
    (c) => {
      c.gateway.catalog.drift_detected = false;
    },
  ],
  [
    'summary.incidents',
    'a kill switch that no entry shows [D-36]',
    (c) => {
      c.gateway.kill_switch_triggered = true;
    },
  ],
  [
    'summary.crossings',
    'a crossing that no entry shows [D-36]',
    (c) => {
      c.gateway.call_summary.call_graph_summary.cross_boundary_events.push({ from: 'a' });
    },
  ],
  [
    'summary.crossings',
    'a crossing left out [D-36] [G22]',
    (c) => {
      c.gateway.call_summary.call_graph_summary.cross_boundary_events.shift();
    },
  ],
  [
    'summary.crossings',
    'an observed crossing as one of order alone [D-36]',
    (c) => {
      for (const item of c.gateway.call_summary.call_graph_summary.cross_boundary_events) item.basis = 'temporal';
    },
  ],
  [
    'summary.crossings',
    'no word on what its edges mean [D-36]',
    (c) => {
      delete c.gateway.call_summary.call_graph_summary.edges_represent;
    },
  ],
  [
    'summary.unconfirmed',
    'an exception that no entry shows [D-36]',
    (c) => {
      c.gateway.catalog_exceptions.push({ tool_name: 'x' });
    },
  ],
  [
    'chain.bounds',
    'another chain tip [W-10]',
    (c) => {
      c.gateway.audit_chain.tip = '00'.repeat(32);
      c.trace.tool_transcript.hash = `sha256:${'00'.repeat(32)}`;
    },
  ],
  [
    'summary.tools',
    'a call log with another total [D-36]',
    (c) => {
      Object.assign(c.gateway, { call_log_summary: { ...CALL_LOG, total_calls: 1 } });
    },
  ],
  [
    'summary.tools',
    'a call log with other tools [D-36]',
    (c) => {
      Object.assign(c.gateway, { call_log_summary: { ...CALL_LOG, tools_called: [] } });
    },
  ],
  [
    'summary.tools',
    'a call log with a sequence that no entry shows [D-36]',
    (c) => {
      Object.assign(c.gateway, { call_log_summary: { ...CALL_LOG, suspicious_sequences_detected: 1 } });
    },
  ],
  [
    'chain.bounds',
    'another chain root [W-10]',
    (c) => {
      c.gateway.audit_chain.root = '00'.repeat(32);
    },
  ],
  [
    'chain.bounds',
    'another chain length [W-10]',
    (c) => {
      c.gateway.audit_chain.length += 1;
    },
  ],
  [
    'session.commitments',
    'a policy that session_start did not commit to [W-10]',
    (c) => {
      c.trace.policy.bundle_hash = CATALOG_HASH;
    },
  ],
  [
    'session.commitments',
    'a catalog that session_start did not commit to [W-10]',
    (c) => {
      c.gateway.catalog.hash = POLICY_HASH;
    },
  ],
  [
    'session.commitments',
    'a mode that session_start did not commit to [W-10]',
    (c) => {
      c.trace.policy.enforcement_mode = 'silent';
    },
  ],
  [
    'claim.key_names',
    'a kid of another key [ATK-37]',
    (c) => {
      c.trace.cnf.jwk.kid = 'cmcp-00000000';
    },
  ],
  [
    'claim.key_names',
    'the subject of another key [ATK-37]',
    (c) => {
      c.trace.subject = 'spiffe://cmcp.gateway/tee/0000000000000000';
    },
  ],
  [
    'claim.platform',
    'a measurement that software cannot have',
    (c) => {
      c.trace.runtime.measurement = POLICY_HASH;
    },
  ],
  [
    'claim.platform',
    'no word that it is software',
    (c) => {
      delete c.trace.runtime.firmware_version;
    },
  ],
  [
    'claim.platform',
    'hardware evidence in a software claim [ATK-41]',
    (c) => {
      c.gateway.attestation_evidence = { raw_evidence: 'AA' };
    },
  ],
  [
    'claim.number',
    'a second claim without a first',
    (c) => {
      c.gateway.sequence_number = 2;
    },
  ],
  [
    'claim.number',
    'a first claim with a predecessor',
    (c) => {
      c.gateway.prev_claim_hash = POLICY_HASH;
    },
  ],
  [
    'times.possible',
    'an attestation after the claim [C-05]',
    (c) => {
      c.gateway.attestation_generated_at = timestamp(c.trace.iat + 400);
    },
  ],
  [
    'times.possible',
    'a claim from before its entries [ATK-33]',
    (c) => {
      c.trace.iat = START_SECONDS - 400;
      c.gateway.attestation_generated_at = timestamp(START_SECONDS - 500);
    },
  ],
  [
    'times.possible',
    'a fresh attestation that is stale',
    (c) => {
      c.gateway.attestation_validity_seconds = 1;
    },
  ],
];

/** What the reference would add about {@link EVENTS}. */
const CALL_LOG: JsonObject = {
  total_calls: 6,
  tools_called: ['crm.query', 'mail.send', 'nope', 'db.drop'],
  suspicious_sequences_detected: 0,
};

test('the call log that the reference adds is checked like the rest, and a true one is verified [D-36]', async () => {
  const file = await makeSession(key, EVENTS);
  Object.assign(file.claim.gateway, { call_log_summary: CALL_LOG });
  await sign(file, key);
  assert.equal((await check(file)).verdict, 'verified');
});

test('a fault is a fault whatever policy had said of the call [W-09]', async () => {
  const file = await makeSession(key, EVENTS);
  const fault = file.bundle.entries.find((entry) => entry.entry_type === 'fault');
  if (fault !== undefined) fault.policy_decision = 'allow';
  await seal(file, key);
  assert.equal((await check(file)).verdict, 'verified');
});

test('a claim without a transcript, or without its number of calls, is not verified', async () => {
  const none = await makeSession(key, EVENTS);
  Reflect.deleteProperty(none.claim.trace, 'tool_transcript');
  await sign(none, key);
  const report = await check(none);
  assert.equal(report.verdict, 'unverified');
  assert.equal(outcome(report, 'transcript.hash'), 'not checked');
  const uncounted = await makeSession(key, EVENTS);
  Reflect.deleteProperty(uncounted.claim.trace.tool_transcript, 'call_count');
  await sign(uncounted, key);
  assert.equal((await check(uncounted)).verdict, 'unverified');
});

test('claim and bundle alone, as the reference keeps them, are verified under the same pins', async () => {
  const file = await makeSession(key, EVENTS);
  const report = await verify(combine(stringifyJson(file.claim), stringifyJson(file.bundle)), pins());
  assert.equal(report.verdict, 'verified', report.summary);
});

function line(claim: GatewayClaim, i: number): { tool_name: string; data_class: string; decision: string } {
  const found = claim.trace.tool_transcript.entries?.[i];
  if (found === undefined) throw new Error(`no line ${i}`);
  return found;
}

for (const [id, lie, tell] of CLAIM_LIES) {
  test(`a claim with ${lie} is refused by ${id}, also when the right key signed it [G22]`, async () => {
    const file = await makeSession(key, EVENTS);
    tell(file.claim, file);
    await sign(file, key);
    const report = await check(file, {
      ...pins({ unpinnedPolicy: true, unpinnedCatalog: true, allowModes: ['silent'] }),
    });
    const pinned = ['policy.hash', 'catalog.hash'];
    assert.deepEqual(
      failures(report).filter((failed) => !pinned.includes(failed)),
      [id],
    );
    assert.equal(report.verdict, 'refused');
  });
}

const SCHEMA_LIES: [string, (claim: GatewayClaim) => void][] = [
  [
    'a number for a text',
    (c) => {
      Object.assign(c.gateway, { gateway_version: 7 });
    },
  ],
  [
    'a text for a list',
    (c) => {
      Object.assign(c.gateway.call_summary, { tools_invoked: 'echo' });
    },
  ],
  [
    'a list for an object',
    (c) => {
      Object.assign(c.gateway.call_summary.call_graph_summary, { cross_boundary_events: [[]] });
    },
  ],
  [
    'an unknown member',
    (c) => {
      Object.assign(c.gateway, { approved: true });
    },
  ],
  [
    'an unknown member deep inside',
    (c) => {
      Object.assign(c.gateway.call_summary.call_graph_summary, { extra: 1 });
    },
  ],
  [
    'a missing member',
    (c) => {
      Reflect.deleteProperty(c.gateway, 'attestation_stale');
    },
  ],
  [
    'another profile',
    (c) => {
      Object.assign(c.trace, { eat_profile: 'tag:agentrust.io,2026:trace-v0.1' });
    },
  ],
  [
    'another version',
    (c) => {
      Object.assign(c, { cmcp_version: '2.0' });
    },
  ],
  [
    'a platform that is not in the list [C-06]',
    (c) => {
      c.trace.runtime.platform = 'opaque';
    },
  ],
  [
    'hardware without a nonce',
    (c) => {
      c.trace.runtime.platform = 'amd-sev-snp';
    },
  ],
  [
    'another key type [ATK-37]',
    (c) => {
      Object.assign(c.trace.cnf.jwk, { kty: 'EC' });
    },
  ],
  [
    'another curve [ATK-37]',
    (c) => {
      Object.assign(c.trace.cnf.jwk, { crv: 'Ed448' });
    },
  ],
  [
    'a private key member [ATK-37]',
    (c) => {
      Object.assign(c.trace.cnf.jwk, { d: 'AAAA' });
    },
  ],
  [
    'a digest in upper case',
    (c) => {
      c.trace.policy.bundle_hash = POLICY_HASH.toUpperCase();
    },
  ],
  [
    'a time without a zone',
    (c) => {
      c.gateway.attestation_generated_at = '2026-08-21T18:23:00';
    },
  ],
  [
    'a text outside printable ASCII [C-03]',
    (c) => {
      c.gateway.gateway_version = 'é';
    },
  ],
  [
    'a member name outside printable ASCII [C-03]',
    (c) => {
      Object.assign(c.trace.cnf.jwk, { kéy: 'x' });
    },
  ],
  [
    'a null',
    (c) => {
      Object.assign(c.trace, { tool_transcript: null });
    },
  ],
];

for (const [lie, tell] of SCHEMA_LIES) {
  test(`a claim with ${lie} is refused by its schema, also when the right key signed it`, async () => {
    const file = await makeSession(key, EVENTS);
    tell(file.claim);
    await sign(file, key);
    assert.deepEqual(failures(await check(file)), ['claim.schema']);
  });
}

test('a claim with a fraction or a huge integer is refused, also inside an open object [C-03] [ATK-35]', async () => {
  const text = stringifyJson(await makeSession(key, EVENTS));
  for (const number of ['1.5', '1e300', '9007199254740993', '-0']) {
    const altered = text.replace('"cross_boundary_events":[', `"cross_boundary_events":[{"n":${number}},`);
    assert.notEqual(altered, text);
    assert.deepEqual(failures(await verify(altered, pins())), ['claim.schema']);
  }
});

/** Each lie is in the chain itself, which is then linked, hashed and signed again with the pinned key. */
const CHAIN_LIES: [string, string, (entries: AuditEntry[], file: SessionFile) => void][] = [
  [
    'chain.sequence',
    'a gap in the numbers',
    (e) => {
      at(e, 3).sequence_number = 7;
    },
  ],
  [
    'summary.crossings',
    'a call whose values came from nowhere [D-36] [G22]',
    (e) => {
      at(e, 2).flow = null;
    },
  ],
  [
    'chain.sequence',
    'one entry id twice',
    (e) => {
      at(e, 2).entry_id = at(e, 1).entry_id;
    },
  ],
  [
    'chain.order',
    'time that runs backwards [ATK-33]',
    (e) => {
      at(e, 3).timestamp_utc = timestamp(START_SECONDS - 60);
    },
  ],
  [
    'chain.session',
    'an entry of another session',
    (e) => {
      at(e, 3).session_id = 'another';
    },
  ],
  [
    'chain.session',
    'a bundle of another session',
    (_, f) => {
      f.bundle.session_id = 'another';
    },
  ],
  [
    'chain.frame',
    'no session_start',
    (e) => {
      at(e, 0).entry_type = 'policy_load';
    },
  ],
  [
    'chain.frame',
    'a second session_start',
    (e) => {
      at(e, 3).entry_type = 'session_start';
    },
  ],
  [
    'chain.frame',
    'a session_end in the middle',
    (e) => {
      at(e, 3).entry_type = 'session_end';
    },
  ],
  [
    'chain.calls',
    'a call without an id [W-09]',
    (e) => {
      at(e, 1).call_id = null;
    },
  ],
  [
    'chain.calls',
    'two entries for one call [W-09]',
    (e) => {
      at(e, 4).call_id = at(e, 1).call_id;
    },
  ],
  [
    'chain.schema',
    'an entry type that nobody knows',
    (e) => {
      Object.assign(at(e, 1), { entry_type: 'tool_ca11' });
    },
  ],
  [
    'chain.schema',
    'an entry without a time zone',
    (e) => {
      at(e, 1).timestamp_utc = '2026-08-21T18:23:00';
    },
  ],
  [
    'chain.schema',
    'an entry with a missing member',
    (e) => {
      Reflect.deleteProperty(at(e, 1), 'policy_decision');
    },
  ],
  [
    'session.commitments',
    'a commitment in an unknown version',
    (e) => {
      at(e, 0).detail = { ...at(e, 0).detail, cmcp_v: 2 };
    },
  ],
  [
    'session.commitments',
    'a commitment that is not flat',
    (e) => {
      at(e, 0).detail = { ...at(e, 0).detail, more: ['x'] };
    },
  ],
  [
    'session.commitments',
    'a trust level that software has not',
    (e) => {
      at(e, 0).detail = { ...at(e, 0).detail, trust_level: 'hardware' };
    },
  ],
  [
    'session.commitments',
    'an exposure that session_start did not have',
    (e) => {
      at(e, 0).detail = { ...at(e, 0).detail, exposure: 'mnpi' };
    },
  ],
  [
    'session.commitments',
    'an earlier claim that the claim denies',
    (e) => {
      at(e, 0).detail = { ...at(e, 0).detail, prev_claim_hash: POLICY_HASH };
    },
  ],
];

function at(entries: readonly AuditEntry[], i: number): AuditEntry {
  const entry = entries[i];
  if (entry === undefined) throw new Error(`no entry ${i}`);
  return entry;
}

for (const [id, lie, tell] of CHAIN_LIES) {
  test(`a chain with ${lie} is refused by ${id}, also when the right key signed it [W-10]`, async () => {
    const file = await makeSession(key, EVENTS);
    tell(file.bundle.entries, file);
    await seal(file, key);
    assert.deepEqual(failures(await check(file)), [id]);
  });
}

test('a bundle without entries is refused', async () => {
  const file = await makeSession(key, EVENTS);
  file.bundle.entries = [];
  assert.deepEqual(failures(await check(file)), ['chain.schema']);
});

test('of several entries that are none the first is named', async () => {
  const file = await makeSession(key, EVENTS);
  for (const i of [5, 3]) Reflect.deleteProperty(entryAt(file, i), 'policy_decision');
  const found = (await check(file)).checks.find((one) => one.id === 'chain.schema');
  assert.match(found?.detail ?? '', /^entry 3 has no member policy_decision/);
});

test('a call entry without a decision is refused', async () => {
  const file = await makeSession(key, EVENTS);
  entryAt(file, 1).policy_decision = 'n/a';
  await seal(file, key);
  assert.ok(failures(await check(file)).includes('chain.calls'));
});

test('a number that no canonical form can print refuses the file without an exception [D-36]', async () => {
  const text = stringifyJson(await makeSession(key, EVENTS));
  const report = await verify(text.replaceAll('"latency_us":1200', '"latency_us":1e999'), pins());
  assert.deepEqual([report.verdict, failures(report)], ['refused', ['file.format']]);
});

test('an entry that was changed and not hashed again is refused by its hash', async () => {
  const file = await makeSession(key, EVENTS);
  entryAt(file, 2).policy_rule_matched = 'policy1';
  await sign(file, key);
  assert.deepEqual(failures(await check(file)), ['chain.hashes']);
});

test('a chain whose entries do not link is refused by its links', async () => {
  const { entryHash } = await import('./index.ts');
  const file = await makeSession(key, EVENTS);
  const entry = entryAt(file, -1);
  entry.prev_entry_hash = entryAt(file, 1).entry_hash;
  entry.entry_hash = entryHash(entry);
  file.claim.gateway.audit_chain.tip = entry.entry_hash;
  file.claim.trace.tool_transcript.hash = `sha256:${entry.entry_hash}`;
  file.checkpoints = [await checkpoint(file, key, file.bundle.entries.length)];
  await sign(file, key);
  assert.deepEqual(failures(await check(file)), ['chain.links']);
});

const REPLAYS: [string, (entries: AuditEntry[]) => AuditEntry[]][] = [
  ['its tail cut off', (e) => e.slice(0, -2)],
  ['its head cut off', (e) => e.slice(1)],
  ['an entry taken out', (e) => e.toSpliced(3, 1)],
  ['two entries swapped', (e) => e.toSpliced(2, 2, at(e, 3), at(e, 2))],
  ['an entry doubled', (e) => e.toSpliced(3, 0, at(e, 3))],
];

for (const [what, alter] of REPLAYS) {
  test(`a bundle with ${what} is refused, and so it is when the entries are linked anew [D-34] [ATK-34] [G21]`, async () => {
    const file = await makeSession(key, EVENTS);
    file.bundle.entries = structuredClone(alter(file.bundle.entries));
    assert.equal((await check(file)).verdict, 'refused');
    const { audit_chain } = file.claim.gateway;
    const original = structuredClone({ audit_chain, hash: file.claim.trace.tool_transcript.hash });
    numbered(file.bundle.entries);
    relink(file);
    file.claim.gateway.audit_chain = original.audit_chain;
    file.claim.trace.tool_transcript.hash = original.hash;
    assert.equal((await check(file)).verdict, 'refused');
  });
}

test('an older bundle beside a newer claim, and a fork of one chain, are refused [D-34] [ATK-34] [G21]', async () => {
  const file = await makeSession(key, EVENTS);
  const older = structuredClone(file);
  older.bundle.entries.pop();
  await seal(older, key);
  assert.equal((await check({ ...file, bundle: older.bundle })).verdict, 'refused');
  assert.equal((await check({ ...file, bundle: older.bundle, checkpoints: older.checkpoints })).verdict, 'refused');
  const fork = structuredClone(file);
  entryAt(fork, -1).detail = { reason: 'another' };
  relink(fork);
  assert.equal((await check({ ...file, bundle: fork.bundle })).verdict, 'refused');
  assert.equal((await check({ ...file, checkpoints: fork.checkpoints.concat(older.checkpoints) })).verdict, 'refused');
});

test('one flipped bit of either signature refuses the file, it never just lowers the verdict [W-05]', async () => {
  const file = await makeSession(key, EVENTS);
  const flip = (text: string): string => (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
  const claim = structuredClone(file);
  claim.claim.signature = flip(claim.claim.signature);
  assert.deepEqual(failures(await check(claim)), ['claim.signature']);
  const bundle = structuredClone(file);
  bundle.bundle.bundle_signature = flip(bundle.bundle.bundle_signature);
  assert.deepEqual(failures(await check(bundle)), ['bundle.signature']);
  assert.equal((await check(bundle, { acceptSoftware: true })).verdict, 'refused');
});

test('a copy that was sealed again with another key is refused by the key pin [ATK-37]', async () => {
  const file = await makeSession(key, EVENTS);
  await seal(file, stranger);
  const report = await check(file);
  assert.deepEqual(failures(report), ['key.pinned']);
  assert.match(report.summary, /^Refused: cmcp-.* is not among the trusted keys\.$/);
});

test('a pin that is no key trusts nothing, also where the claim has the same text instead of a key [ATK-37]', async () => {
  const file = await makeSession(key, EVENTS);
  for (const x of ['', 'not a key', `${key.x}=`]) {
    const report = await check(file, pins({ keys: [{ x, source: 'broken' }] }));
    assert.deepEqual(failures(report), ['key.pinned']);
    const same = structuredClone(file);
    same.claim.trace.cnf.jwk.x = x;
    assert.ok(failures(await check(same, pins({ keys: [{ x, source: 'broken' }] }))).includes('key.pinned'));
  }
});

test('a key of small order is refused although signatures fit it [ATK-38]', async () => {
  const file = await makeSession(key, EVENTS);
  const identity = `AQ${'A'.repeat(41)}`;
  adopt(file.claim, { x: identity, sign: async () => '' });
  // R is the identity and S is zero: this satisfies the equation for any message under a key of order one.
  const signature = `AQ${'A'.repeat(84)}`;
  file.claim.signature = signature;
  file.bundle.bundle_signature = signature;
  const report = await check(file, pins({ keys: [{ x: identity, source: 'a careless pin' }] }));
  assert.deepEqual(failures(report).slice(0, 3), ['claim.signature', 'claim.key_names', 'bundle.signature']);
});

test('a session that is still open is verified as far as its claim goes', async () => {
  const file = await makeSession(key, EVENTS);
  file.bundle.entries.pop();
  await seal(file, key);
  assert.equal((await check(file)).verdict, 'verified');
});

test('the chain of events outside any session is verified like a session', async () => {
  const file = await makeSession(key, [{ kind: 'gateway_event' }, { kind: 'gateway_event' }]);
  assert.equal((await check(file)).verdict, 'verified');
});

test('parts of a file that nothing signed and nothing checked keep it from being verified [G24]', async () => {
  const file = await makeSession(key, EVENTS);
  const evidence = { ...file, evidence: [{ role: 'quote', media_type: 'application/octet-stream', data: 'AA==' }] };
  const report = await verify(stringifyJson(evidence), pins());
  assert.equal(report.verdict, 'unverified');
  assert.equal(outcome(report, 'file.read'), 'not checked');
  const newer = await verify(stringifyJson({ ...file, format: 'cmcp-session/2' }), pins());
  assert.deepEqual(failures(newer), ['file.format']);
  const unknown = await verify(stringifyJson({ ...file, note: 'approved' }), pins());
  assert.deepEqual(failures(unknown), ['file.format']);
});

test('a long session may leave its transcript out of the claim, a short one may not', async () => {
  const calls = Array.from({ length: 10_001 }, () => EVENTS[0] as EventSpec);
  const file = await makeSession(key, calls);
  delete file.claim.trace.tool_transcript.entries;
  await sign(file, key);
  assert.equal((await check(file)).verdict, 'verified');
  const short = await makeSession(key, EVENTS);
  delete short.claim.trace.tool_transcript.entries;
  await sign(short, key);
  assert.equal((await check(short)).verdict, 'unverified');
});

test('labels that an operator made are asserted, and still must be in the chain', async () => {
  const file = await makeSession(key, EVENTS);
  entryAt(file, -1).session_sensitivity_after = 'board_only';
  const relabel = async (label: string): Promise<Report> => {
    file.claim.trace.data_class = label;
    file.claim.gateway.call_summary.session_max_sensitivity = label;
    await seal(file, key);
    return check(file);
  };
  assert.equal(outcome(await relabel('board_only'), 'summary.sensitivity'), 'asserted');
  assert.equal(outcome(await relabel('other'), 'summary.sensitivity'), 'failed');
  assert.equal(outcome(await relabel('public'), 'summary.sensitivity'), 'failed');
});

test('the sentence about a relaxed session names what was relaxed, and does not say verified [UX-09]', async () => {
  const { summary, verdict } = await verify(stringifyJson(await makeSession(key, EVENTS)), pins());
  assert.equal(verdict, 'verified');
  assert.equal(
    summary,
    'Accepted with --accept-software: everything else that was required is proven. This is a software session.',
  );
});
