import assert from 'node:assert/strict';
import test from 'node:test';
import {
  errno,
  HASTY,
  snpMachine,
  type TsmCall,
  TsmDouble,
  tdxMachine,
} from '../../../../../tests/support/tsm-double.ts';
import { detectSevSnp, detectTdx } from './detect.ts';

const text = (value: string) => new TextEncoder().encode(value);
const MOUNTED = { '/proc/self/mounts': text('none /sys/kernel/config configfs rw 0 0\n') };
const UNMOUNTED = { '/proc/self/mounts': text('proc /proc proc rw 0 0\n') };

/** A machine whose kernel answers with `fault` when a request is made. */
function without(fault: string | null, files = MOUNTED, kernel: string | null = '6.8.0-31-generic') {
  const fs = new TsmDouble({ provider: null, files, generate: () => Promise.reject(errno('EIO')) });
  fs.fault = (call: TsmCall) => {
    if (call.do === 'mkdir' && fault !== null) throw errno(fault);
  };
  return { ...HASTY, fs, kernel };
}

test('a SEV-SNP guest is found, and nothing but its name is asked of it', async () => {
  const { double } = await snpMachine();
  const machine = { ...HASTY, fs: double, kernel: '6.8.0' };
  const reason = 'sev_guest answers through configfs-tsm (Linux 6.8.0)';
  assert.deepEqual(await detectSevSnp(machine), { kind: 'sev-snp', available: true, reason, remedy: null });
  assert.deepEqual(await detectTdx(machine), {
    kind: 'tdx',
    available: false,
    reason: 'sev_guest answers on this machine, not tdx_guest',
    remedy: null,
  });
  assert.equal(double.generated, 0);
  assert.equal(double.entries.size, 0);
});

test('a TDX guest is found, with what can be done with its registers', async () => {
  const shown = await tdxMachine({ measurements: true });
  const old = await tdxMachine({ measurements: false });
  const reasonOf = async ({ double }: typeof shown) =>
    (await detectTdx({ ...HASTY, fs: double, kernel: '6.16.1' })).reason;
  assert.match(await reasonOf(shown), /RTMR 3 can be extended$/);
  assert.match(await reasonOf(old), /RTMR 3 cannot be extended, because .* Linux 6\.16 brought$/);
});

test('where there is no evidence, it is said why and what to do', async () => {
  const cases: [Parameters<typeof without>, RegExp, RegExp | null][] = [
    [['ENXIO'], /none is behind it/, /modprobe sev-guest/],
    [['EACCES'], /only root/, /CAP_DAC_OVERRIDE/],
    [['EPERM'], /only root/, /CAP_DAC_OVERRIDE/],
    [['ENOENT', UNMOUNTED], /configfs is not mounted/, /^mount -t configfs none \/sys\/kernel\/config$/],
    [['ENOENT', {} as typeof MOUNTED], /configfs is not mounted/, /^mount/],
    [['ENOENT', MOUNTED], /no configfs-tsm loaded/, /modprobe sev-guest/],
    [['ENOENT', MOUNTED, '6.1.0-18-amd64'], /Linux 6\.1\.0-18-amd64 has no configfs-tsm/, /6\.7 or newer/],
    [['ENOENT', MOUNTED, '5.15.0'], /Linux 5\.15\.0 has no/, /6\.7 or newer/],
    [['ENOENT', UNMOUNTED, '6.7.0'], /not mounted/, /mount/],
    [['ENOENT', MOUNTED, 'odd'], /no configfs-tsm loaded/, /modprobe/],
    [['EIO'], /EIO/, null],
    [[null, MOUNTED, null], /not Linux/, null],
  ];
  for (const [machine, reason, remedy] of cases) {
    const found = await detectSevSnp(without(...machine));
    assert.equal(found.available, false);
    assert.match(found.reason, reason);
    if (remedy === null) assert.equal(found.remedy, null);
    else assert.match(found.remedy ?? '', remedy);
  }
  assert.match((await detectTdx(without('ENXIO'))).remedy ?? '', /modprobe tdx-guest/);
});

test('a defect is not taken for something that the machine lacks', async () => {
  const machine = without('ENOENT');
  const { fault } = machine.fs;
  machine.fs.fault = (call) => {
    if (call.name === 'mounts') throw new TypeError('a defect');
    return fault(call);
  };
  await assert.rejects(detectSevSnp(machine), TypeError);
});
