import type { GatewayDeps } from '@cmcp/gateway';
import { openAuditLogInProcess } from '../../packages/gateway/src/audit/in-process.ts';
import { openSqliteStore } from '../../packages/gateway/src/audit/stores/sqlite.ts';
import type { Clock } from '../../packages/gateway/src/clock.ts';

/** What a gateway is built with whose every clock is this one, that of its log as well. */
export function timed(clock: Clock): Partial<GatewayDeps> {
  return {
    clock,
    monotonic: () => clock.nowMicros() / 1000,
    openLog: (options, attest) =>
      openAuditLogInProcess({
        ...options,
        store: openSqliteStore(options.dataDir),
        clock,
        ...(attest && { attest }),
      }),
  };
}
