/**
 * Whose address it is: one machine has a whole /64 of IPv6 (RFC 6177) and can come from another address each time, so there it is the first
 * 64 bits; an IPv4 address, also one written as IPv6, stands for itself, and so does whatever is no address.
 */
export function networkOf(address: string): string {
  const [text = ''] = address.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  if (mapped !== undefined) return mapped;
  if (!text.includes(':')) return address;
  const [before = '', after] = text.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  // A dotted tail stands for two groups.
  const written = head.length + tail.length + (text.includes('.') ? 1 : 0);
  const zeros = after === undefined ? 0 : Math.max(0, 8 - written);
  const groups = [...head, ...Array<string>(zeros).fill('0'), ...tail].slice(0, 4);
  return `${groups.map((group) => group.toLowerCase().replace(/^0+(?=.)/, '')).join(':')}::/64`;
}
