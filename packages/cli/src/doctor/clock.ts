import { type Condition, ok, problem, warning } from '@cmcp/gateway';
import type { DoctorSystem } from './system.ts';

/** Before this version was made: no clock that is right says so. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);
/** Where systemd-timesyncd notes that it has set the clock (systemd-timesyncd.service(8)). */
const TIMESYNCD = '/run/systemd/timesync/synchronized';

/** Whether the times that sessions say, and that certificates are judged by, can be right. */
export async function clockConditions(system: DoctorSystem): Promise<Condition[]> {
  return [sane(system), await synchronised(system)];
}

function sane({ nowMs }: DoctorSystem): Condition {
  const about = 'clock';
  const now = new Date(nowMs()).toISOString();
  if (nowMs() >= EARLIEST_MS) return ok(about, `${now} (UTC)`);
  return problem(about, `says ${now}, which is before this version was made`, 'Set it: timedatectl set-time, or NTP.');
}

async function synchronised(system: DoctorSystem): Promise<Condition> {
  const about = 'synchronised';
  const fix = 'Turn on time synchronisation: timedatectl set-ntp true, or run chrony.';
  if ((await system.owned(TIMESYNCD)) !== null) return ok(about, 'by systemd-timesyncd');
  const said = await system.ask('timedatectl', ['show', '--property=NTPSynchronized', '--value']);
  if (said?.trim() === 'yes') return ok(about, 'says the kernel');
  if (said?.trim() === 'no') return warning(about, 'the clock is not synchronised, so it drifts', fix);
  return warning(about, 'whether the clock is synchronised cannot be told here', fix);
}
