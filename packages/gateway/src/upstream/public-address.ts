import { BlockList, isIPv6, type LookupFunction } from 'node:net';

/** Networks of an organisation or of one machine, by RFC 1918, 4193, 6598 and 6890, and the one that translates to them. */
const PRIVATE = privateAddresses();

function privateAddresses(): BlockList {
  const list = new BlockList();
  list.addSubnet('10.0.0.0', 8, 'ipv4');
  list.addSubnet('100.64.0.0', 10, 'ipv4');
  list.addSubnet('127.0.0.0', 8, 'ipv4');
  list.addSubnet('169.254.0.0', 16, 'ipv4');
  list.addSubnet('172.16.0.0', 12, 'ipv4');
  list.addSubnet('192.168.0.0', 16, 'ipv4');
  list.addSubnet('0.0.0.0', 8, 'ipv4');
  list.addAddress('::', 'ipv6');
  list.addAddress('::1', 'ipv6');
  list.addSubnet('fc00::', 7, 'ipv6');
  list.addSubnet('fe80::', 10, 'ipv6');
  list.addSubnet('64:ff9b::', 96, 'ipv6');
  return list;
}

/** Why an address is not one of the public network, or null. IPv4 in IPv6 counts as IPv4. */
export function refusePrivate(address: string): Error | null {
  const plain = address.replace(/%.*$/, '');
  if (!PRIVATE.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')) return null;
  return new Error(`${plain} is a private address; name its host and port in egress.allow if it is meant`);
}

/** A name that leads to a private address, whatever else it leads to, leads nowhere. */
export function publicOnly(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, found, family) => {
      const addresses = typeof found === 'string' ? [found] : (found ?? []).map(({ address }) => address);
      const refused = addresses.map(refusePrivate).find((reason) => reason !== null);
      callback(error ?? refused ?? null, found, family);
    });
}
