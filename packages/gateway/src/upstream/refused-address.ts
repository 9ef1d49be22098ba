import { BlockList, isIPv6 } from 'node:net';

/**
 * Addresses at which no MCP server is: a request sent there would be one that somebody tricked the gateway into (ATK-28).
 * Private and loopback addresses are where catalogued servers live.
 */
const REFUSED = refusedAddresses();

function refusedAddresses(): BlockList {
  const list = new BlockList();
  list.addSubnet('0.0.0.0', 8, 'ipv4');
  list.addAddress('::', 'ipv6');
  // Link-local, where clouds serve credentials to whoever asks; also as IPv6 translates it.
  list.addSubnet('169.254.0.0', 16, 'ipv4');
  list.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6');
  list.addSubnet('fe80::', 10, 'ipv6');
  list.addAddress('fd00:ec2::254', 'ipv6');
  return list;
}

/** Why nothing is to be sent to an address that a name was resolved to, or null. IPv4 in IPv6 counts as IPv4. */
export function refuseAddress(address: string): Error | null {
  const plain = address.replace(/%.*$/, '');
  if (!REFUSED.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')) return null;
  return new Error('the address is link-local, unspecified or a metadata service');
}
