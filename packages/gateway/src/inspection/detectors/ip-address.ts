import { isIPv6 } from 'node:net';
import { runs, type ValueRule } from './rule.ts';

const HEX = [...'0123456789abcdef'];

/** Addresses on the Internet: who has one can be found. Those of private networks and of the machine itself tell nobody anything. */
export const IP_RULES: readonly ValueRule[] = [
  {
    id: 'ip-address',
    kind: 'personal',
    contact: true,
    what: 'IPv4 address that is no private one',
    trigger: { digits: runs(1, 3) },
    pattern: /\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\d|\.\d)/y,
    valid: isPublicIPv4,
    before: { words: /(?:^|[^\w.-])$/, reach: 1 },
    unless: {
      words: /(?:version|oid|release|section|chapter|revision|build|firmware|\bver|\bv\.?)[ :="']{0,4}$/i,
      reach: 16,
    },
    yields: true,
  },
  {
    id: 'ip-address',
    kind: 'personal',
    contact: true,
    what: 'IPv6 address that is no private one',
    trigger: {
      anchors: HEX.flatMap((one) => [`::${one}`, `${one}::`, ...HEX.map((other) => `${one}:${other}`)]),
      lead: { chars: /[0-9A-Fa-f:]/, most: 44 },
    },
    pattern: /[0-9A-Fa-f:]{3,39}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w:]|\.\d)/y,
    valid: isPublicIPv6,
    before: { words: /(?:^|[^\w:.])$/, reach: 1 },
    yields: true,
  },
];

function isPublicIPv4(value: string): boolean {
  const octets = value.split('.').map(Number);
  const [first, second] = octets as [number, number];
  if (octets.some((octet) => octet > 255) || /(?:^|\.)0\d/.test(value)) return false;
  if (first === 0 || first === 10 || first === 127 || first >= 224) return false;
  if (first === 172 && second >= 16 && second <= 31) return false;
  if (first === 100 && second >= 64 && second <= 127) return false;
  return !(first === 192 && second === 168) && !(first === 169 && second === 254);
}

/** Neither unspecified, loopback, link-local, unique local nor multicast, nor an address of a network card. */
function isPublicIPv6(value: string): boolean {
  return isIPv6(value) && !/^(?:[0:]+1?$|fe[89ab]|f[cd]|ff|(?:[0-9a-f]{2}:){7}[0-9a-f]{2}$)/i.test(value);
}
