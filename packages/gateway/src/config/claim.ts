import { duration, oneOf, section, setting } from './readers.ts';

/** When claims are made, besides the one at the end of each session. */
export type ClaimConfig = {
  granularity: 'session' | 'call' | 'interval';
  intervalMs: number;
};

/** `claim`. */
export const claimSection = section(
  'when claims are made',
  {
    granularity: setting(
      oneOf('session', 'call', 'interval'),
      'session',
      'A session gets its claim at its end. `call`: besides, one before the reply to each request, which names its number. `interval`: besides, one at each `interval` in which there was a request. They are in `sessions/<id>/claims/`, each a whole session file as it stood: the cost of one grows with the session (docs/verifying.md).',
    ),
    interval: setting(duration('1s', '24h'), '15m', 'How far apart the claims of `interval` are.'),
  },
  'granularity',
);

type Given = NonNullable<ReturnType<(typeof claimSection)['read']>>;

export function claimOf({ granularity, interval }: Given): ClaimConfig {
  return { granularity, intervalMs: interval };
}
