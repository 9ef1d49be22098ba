import assert from 'node:assert/strict';
import test from 'node:test';
import {
  errno,
  HASTY,
  snpMachine,
  type TsmCall,
  TsmDouble,
  type TsmDoubleOptions,
} from '../../../../../tests/support/tsm-double.ts';
import { TsmError, type TsmErrorCode } from './error.ts';
import { requestReport, whoAnswers } from './report.ts';

// Every answer here is of a test double with the kernel's semantics.

const DATA = new Uint8Array(64).fill(7);
const wanted = () => false;

function plainDouble(options: Partial<TsmDoubleOptions> = {}): TsmDouble {
  return new TsmDouble({
    provider: 'sev_guest',
    generate: async (inblob) => ({ outblob: inblob, auxblob: new Uint8Array([1, 2, 3]) }),
    ...options,
  });
}

const ask = (fs: TsmDouble, data = DATA) => requestReport({ ...HASTY, fs }, 'sev_guest', data, wanted);
const failsAs = (code: TsmErrorCode, words: RegExp) => (error: unknown) =>
  error instanceof TsmError && error.code === code && words.test(error.message);
const on = (what: TsmCall['do'], name: string, fault: (call: TsmCall) => void) => (call: TsmCall) => {
  if (call.do === what && call.name === name) fault(call);
};
const failing = (code: string) => () => {
  throw errno(code);
};

test('a request is a fresh entry with a name of its own, and is removed after the answer [W-39]', async () => {
  const double = plainDouble();
  assert.deepEqual(await ask(double), { outblob: DATA, auxblob: new Uint8Array([1, 2, 3]) });
  await ask(double);
  const made = double.calls.filter((call) => call.do === 'mkdir').map(({ name }) => name);
  assert.equal(new Set(made).size, 2);
  for (const name of made) assert.match(name, /^cmcp-[0-9a-f]{32}$/);
  assert.equal(double.entries.size, 0);
});

test('on Linux 6.7 and on 6.10 the attributes that are there are used, and no others', async () => {
  for (const kernel of ['6.7', '6.10'] as const) {
    const double = plainDouble({ kernel });
    await ask(double);
    const read = double.calls.filter((call) => call.do === 'read').map(({ name }) => name);
    assert.equal(read.includes('manifestblob'), kernel === '6.10', kernel);
    assert.equal(read.includes('auxblob'), true);
  }
});

test('a guest of TDX has neither privilege levels nor certificates', async () => {
  const double = plainDouble({ provider: 'tdx_guest' });
  const report = await requestReport({ ...HASTY, fs: double }, 'tdx_guest', DATA, wanted);
  assert.equal(report.auxblob, null);
  assert.deepEqual(
    double.calls.filter((call) => call.do === 'write').map(({ name }) => name),
    ['inblob'],
  );
});

test('under an SVSM the privilege level is the floor, and counts as a write', async () => {
  const levels: number[] = [];
  const double = plainDouble({
    privlevelFloor: 2,
    generate: async (inblob, privlevel) => {
      levels.push(privlevel);
      return { outblob: inblob };
    },
  });
  await ask(double);
  assert.deepEqual(levels, [2]);
});

test('the answer of an SVSM, which was not asked, is not ours', async () => {
  const double = plainDouble();
  double.tamper = (blobs) => ({ ...blobs, manifestblob: new Uint8Array([1]) });
  await assert.rejects(ask(double), failsAs('foreign', /SVSM/));
});

/** The fault matrix: what goes wrong, and what is said of it. */
const MATRIX: [name: string, fault: (double: TsmDouble) => void, TsmErrorCode, RegExp][] = [
  [
    'another program writes between our write and our read',
    (double) => {
      double.fault = on('read', 'outblob', ({ path }) => double.writeAsAnother(path, new Uint8Array(64)));
    },
    'foreign',
    /another program/,
  ],
  [
    'another program writes after our read',
    (double) => {
      double.fault = on('read', 'auxblob', ({ path }) => double.writeAsAnother(path, DATA));
    },
    'foreign',
    /another program/,
  ],
  [
    'the platform stays busy',
    (double) => {
      double.fault = on('read', 'outblob', failing('EBUSY'));
    },
    'busy',
    /busy with another request \(EBUSY\)/,
  ],
  [
    'the platform does not take the request',
    (double) => {
      double.fault = on('read', 'outblob', failing('EINVAL'));
    },
    'refused',
    /reading outblob: the platform does not take the request \(EINVAL\)/,
  ],
  [
    'the kernel has no provider',
    (double) => {
      double.provider = null;
    },
    'no-provider',
    /making a request: .*ENXIO/,
  ],
  [
    'the provider goes away before the report is made',
    (double) => {
      double.fault = on('read', 'outblob', () => {
        double.provider = null;
      });
    },
    'no-provider',
    /reading outblob: .*ENXIO/,
  ],
  [
    'a kernel before 6.10 whose provider goes away',
    (double) => {
      double.fault = on('read', 'outblob', failing('ENOTTY'));
    },
    'no-provider',
    /ENOTTY/,
  ],
  [
    'the report is larger than 32 KiB',
    (double) => {
      double.tamper = () => ({ outblob: new Uint8Array(32 * 1024 + 1) });
    },
    'too-large',
    /EFBIG/,
  ],
  [
    'the entry disappears',
    (double) => {
      double.fault = on('read', 'outblob', ({ path }) => void double.entries.delete(path.replace(/\/outblob$/, '')));
    },
    'absent',
    /ENOENT/,
  ],
  [
    'this user may not ask',
    (double) => {
      double.fault = (call) => {
        if (call.do === 'mkdir') throw errno('EACCES');
      };
    },
    'denied',
    /this user may not ask/,
  ],
  [
    'the firmware fails',
    (double) => {
      double.fault = on('read', 'outblob', failing('EIO'));
    },
    'failed',
    /EIO/,
  ],
  [
    'the host makes no quote',
    (double) => {
      double.fault = on('read', 'outblob', failing('ETIMEDOUT'));
    },
    'failed',
    /the host did not answer in time/,
  ],
  [
    'the system says something that nobody foresaw',
    (double) => {
      double.fault = on('read', 'outblob', failing('ENOMEM'));
    },
    'failed',
    /ENOMEM/,
  ],
  [
    'the generation is no number',
    (double) => {
      double.readFile = overridden(double, 'generation', 'many\n');
    },
    'malformed',
    /generation is "many"/,
  ],
  [
    'the floor of the privilege level is none',
    (double) => {
      double.readFile = overridden(double, 'privlevel_floor', '4\n');
    },
    'malformed',
    /privlevel_floor is "4"/,
  ],
  [
    'the provider has no name that can be read',
    (double) => {
      double.readFile = overridden(double, 'provider', '\u0007');
    },
    'malformed',
    /the attribute provider/,
  ],
  [
    'the guest is one of TDX',
    (double) => {
      double.readFile = overridden(double, 'provider', 'tdx_guest\n');
    },
    'no-provider',
    /tdx_guest answers here, not sev_guest/,
  ],
];

function overridden(double: TsmDouble, name: string, text: string): TsmDouble['readFile'] {
  const real = double.readFile.bind(double);
  return (path, most) =>
    path.endsWith(`/${name}`) ? Promise.resolve(new TextEncoder().encode(text)) : real(path, most);
}

for (const [name, fault, code, words] of MATRIX) {
  test(`no report when ${name} [W-39]`, async () => {
    const double = plainDouble();
    fault(double);
    await assert.rejects(ask(double), failsAs(code, words));
    assert.equal(double.entries.size, 0, 'the entry is removed all the same');
  });
}

test('a platform that is busy for a while is asked again, each time with a new entry', async () => {
  const double = plainDouble();
  let busy = 3;
  double.fault = on('read', 'outblob', () => {
    if (busy-- > 0) throw errno('EBUSY');
  });
  assert.deepEqual((await ask(double)).outblob, DATA);
  assert.equal(double.calls.filter((call) => call.do === 'mkdir').length, 4);
  assert.equal(double.entries.size, 0);
});

test('a write that the kernel did not take, which nobody is told of, is noticed by the generation', async () => {
  const double = plainDouble();
  double.fault = on('write', 'inblob', ({ path }) => {
    const entry = double.entries.get(path.replace(/\/inblob$/, ''));
    assert.ok(entry);
    // As after so many writes that the next one would make an old report look like a new one.
    entry.inblob = DATA;
    entry.readGeneration = 1n;
  });
  await assert.rejects(ask(double), failsAs('foreign', /did not take ours/));
});

test('a request that cannot be ended is a failure too, and not the reason when there was another', async () => {
  const double = plainDouble();
  double.fault = (call) => {
    if (call.do === 'rmdir') throw errno('EPERM');
  };
  await assert.rejects(ask(double), failsAs('denied', /ending a request/));
  double.provider = null;
  await assert.rejects(ask(double), failsAs('no-provider', /making a request/));
});

test('evidence carries 64 bytes, and the platform is not asked for any other number', async () => {
  const double = plainDouble();
  for (const length of [0, 63, 65])
    await assert.rejects(ask(double, new Uint8Array(length)), failsAs('refused', /64 bytes/));
  assert.equal(double.calls.length, 0);
});

test('a request that nobody waits for any more does not reach the platform', async () => {
  const double = plainDouble();
  const asked = requestReport({ ...HASTY, fs: double }, 'sev_guest', DATA, () => true);
  await assert.rejects(asked, failsAs('given-up', /nobody waits/));
  assert.equal(double.generated, 0);
  assert.equal(double.entries.size, 0);
});

test('a busy platform is not asked again for a request that nobody waits for any more', async () => {
  const double = plainDouble();
  double.fault = on('read', 'outblob', failing('EBUSY'));
  const isGivenUp = () => double.calls.some(({ name }) => name === 'outblob');
  await assert.rejects(requestReport({ ...HASTY, fs: double }, 'sev_guest', DATA, isGivenUp), failsAs('busy', /EBUSY/));
  assert.equal(double.calls.filter((call) => call.do === 'mkdir').length, 1);
});

test('a defect is not taken for an answer of the platform', async () => {
  const double = plainDouble();
  double.fault = on('read', 'outblob', () => {
    throw new TypeError('a defect');
  });
  await assert.rejects(ask(double), TypeError);
  assert.equal(double.entries.size, 0);
});

test('who answers is found without asking for a report', async () => {
  const { double } = await snpMachine();
  assert.equal(await whoAnswers({ ...HASTY, fs: double }), 'sev_guest');
  assert.equal(double.generated, 0);
  assert.equal(double.entries.size, 0);
});

test('the double keeps an answer until something is written, and makes a new one then', async () => {
  const double = plainDouble();
  const entry = '/sys/kernel/config/tsm/report/mine';
  await double.mkdir(entry);
  await assert.rejects(double.readFile(`${entry}/outblob`, 100), { code: 'EINVAL' });
  await double.writeFile(`${entry}/inblob`, DATA);
  await double.readFile(`${entry}/outblob`, 100);
  await double.readFile(`${entry}/auxblob`, 100);
  assert.equal(double.generated, 1);
  await double.writeFile(`${entry}/privlevel`, new TextEncoder().encode('1'));
  await double.readFile(`${entry}/outblob`, 100);
  assert.equal(double.generated, 2);
  await assert.rejects(double.writeFile(`${entry}/privlevel`, new TextEncoder().encode('4')), { code: 'EINVAL' });
  await assert.rejects(double.writeFile(`${entry}/inblob`, new Uint8Array(65)), { code: 'EFBIG' });
});
