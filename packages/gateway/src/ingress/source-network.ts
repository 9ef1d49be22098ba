import { isIPv6 } from 'node:net';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const GROUPS = 8;
/** Of an IPv6 address, what names the network: whoever has one address of it has all of them. */
const NETWORK_GROUPS = 4;

/** What attempts of an address count for: the address of IPv4, the /64 network of IPv6 (D-06). */
export function sourceNetwork(address: string): string {
  const [plain = ''] = address.split('%');
  const mapped = MAPPED.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? 0 : GROUPS - groups.length - after;
  const whole = [...groups, ...new Array<string>(zeros).fill('0'), ...(tail === undefined ? [] : tail.split(':'))];
  const network = whole.slice(0, NETWORK_GROUPS).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}
