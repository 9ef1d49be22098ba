import { type RawCall, rawCall } from './raw-http.ts';

/** A message whose end two readers could see in two places; behind one of them stands another call. */
export interface Smuggled {
  name: string;
  bytes: string;
}

const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const LAST = '0\r\n\r\n';

/** Every way that is tried to hide a call of tool `hidden` in one of tool `open`. */
export function smugglings(open: string, hidden: string): Smuggled[] {
  const call = rawCall(open);
  const { whole } = rawCall(hidden, { Connection: 'close' });
  return [...lengths(call, whole), ...codings(call, whole), ...chunks(call, whole), ...lines(call, whole)];
}

const framed = (name: string, { head }: RawCall, fields: string, rest: string): Smuggled => ({
  name,
  bytes: `${head}${fields}\r\n\r\n${rest}`,
});

function lengths(call: RawCall, hidden: string): Smuggled[] {
  const { body } = call;
  const n = body.length;
  const fields: Record<string, string> = {
    'two lengths, the first is right': `Content-Length: ${n}\r\nContent-Length: ${n + hidden.length}`,
    'two lengths, the second is right': `Content-Length: ${n + hidden.length}\r\nContent-Length: ${n}`,
    'the same length twice': `Content-Length: ${n}\r\nContent-Length: ${n}`,
    'a list of lengths': `Content-Length: ${n}, ${n}`,
    'a length with a sign': `Content-Length: +${n}`,
    'a negative length': 'Content-Length: -1',
    'a hexadecimal length': `Content-Length: 0x${n.toString(16)}`,
    'a length of two words': `Content-Length: ${n} ${n}`,
    'a space before the colon': `Content-Length : ${n}`,
    'a length beyond counting': `Content-Length: ${'9'.repeat(40)}`,
    'an empty length': 'Content-Length: ',
  };
  return Object.entries(fields).map(([name, field]) => framed(name, call, field, `${body}${hidden}`));
}

function codings(call: RawCall, hidden: string): Smuggled[] {
  const { body } = call;
  const chunked = `${chunk(body)}${LAST}`;
  const both = (name: string, field: string): Smuggled[] => [
    framed(
      `${name}, the length is the longer`,
      call,
      `Content-Length: ${chunked.length + hidden.length}\r\n${field}`,
      chunked + hidden,
    ),
    framed(`${name}, the length is the shorter`, call, `${field}\r\nContent-Length: 4`, `${chunk(hidden)}${LAST}`),
  ];
  const alone: Record<string, string> = {
    'an unknown coding': 'Transfer-Encoding: xchunked',
    'a coding after chunked': 'Transfer-Encoding: chunked, identity',
    'a coding before chunked': 'Transfer-Encoding: gzip, chunked',
    'no coding by name': 'Transfer-Encoding: identity',
    'chunked twice': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'chunked, then identity': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
    'chunked with a parameter': 'Transfer-Encoding: chunked;q=1',
    'chunked in quotes': 'Transfer-Encoding: "chunked"',
    'chunked after a vertical tab': 'Transfer-Encoding: \x0bchunked',
    'chunked before a NUL': 'Transfer-Encoding: chunked\0',
    'a tab before the colon': 'Transfer-Encoding\t: chunked',
    'an underscore in the name': 'Transfer_Encoding: chunked',
    'a folded coding': 'Transfer-Encoding:\r\n chunked',
    'a coding folded into another field': 'X-A: b\r\n Transfer-Encoding: chunked',
  };
  return [
    ...both('length and coding', 'Transfer-Encoding: chunked'),
    ...both('length and a coding in capitals', 'TRANSFER-ENCODING: CHUNKED'),
    ...both('length and an odd coding', 'Transfer-Encoding: chunked, x'),
    ...Object.entries(alone).map(([name, field]) => framed(name, call, field, `${chunked}${hidden}`)),
  ];
}

function chunks(call: RawCall, hidden: string): Smuggled[] {
  const { body } = call;
  const size = body.length.toString(16);
  const bodies: Record<string, string> = {
    'a chunk extension': `${size};a=b\r\n${body}\r\n${LAST}`,
    'a chunk extension that ends with LF': `${size};a\n${body}\r\n${LAST}`,
    'an extension of the last chunk': `${chunk(body)}0;a=b\r\n\r\n`,
    'a trailer field': `${chunk(body)}0\r\nX-A: b\r\n\r\n`,
    'a length among the trailers': `${chunk(body)}0\r\nContent-Length: 5\r\n\r\n`,
    'a size that ends with LF': `${size}\n${body}\r\n${LAST}`,
    'a size with a prefix': `0x${size}\r\n${body}\r\n${LAST}`,
    'a size with a sign': `+${size}\r\n${body}\r\n${LAST}`,
    'a size after a space': ` ${size}\r\n${body}\r\n${LAST}`,
    'a size before a space': `${size} \r\n${body}\r\n${LAST}`,
    'a size that overflows': `1${'0'.repeat(15)}${size}\r\n${body}\r\n${LAST}`,
    'a chunk without an end': `${size}\r\n${body}${LAST}`,
    'a chunk that ends with LF': `${size}\r\n${body}\n${LAST}`,
    'a last chunk of many noughts and more': `${chunk(body)}${'0'.repeat(20)}x\r\n\r\n`,
  };
  return Object.entries(bodies).map(([name, text]) =>
    framed(name, call, 'Transfer-Encoding: chunked', `${text}${hidden}`),
  );
}

function lines(call: RawCall, hidden: string): Smuggled[] {
  const { head, body } = call;
  const length = `Content-Length: ${body.length}`;
  const rest = `${length}\r\n\r\n${body}${hidden}`;
  const bytes: Record<string, string> = {
    'lines that end with LF': `${head}${length}\r\n\r\n${body}`.replaceAll('\r\n', '\n') + hidden,
    'one line that ends with LF': `${head}X-A: b\n${rest}`,
    'one line that ends with CR': `${head}X-A: b\r${rest}`,
    'an empty line of LF': `${head}${length}\r\n\n${body}${hidden}`,
    'a folded field': `${head}X-A: b\r\n c\r\n${rest}`,
    'a folded first field': head.replace('\r\n', '\r\n Folded: 1\r\n') + rest,
    'a NUL in a field': `${head}X-A: b\0c\r\n${rest}`,
    'a CR in a field': `${head}X-A: b\rc\r\n${rest}`,
    'a field without a name': `${head}: b\r\n${rest}`,
    'a field without a colon': `${head}X-A\r\n${rest}`,
    'a space in the name of a field': `${head}X A: b\r\n${rest}`,
    'two versions': head.replace('HTTP/1.1', 'HTTP/1.1 HTTP/1.1') + rest,
    'no version': head.replace(' HTTP/1.1', '') + rest,
    'a version of its own': head.replace('HTTP/1.1', 'HTTP/1.9') + rest,
    'chunked in HTTP/1.0': `${head.replace('HTTP/1.1', 'HTTP/1.0')}Transfer-Encoding: chunked\r\n\r\n${chunk(body)}${LAST}${hidden}`,
    'a body of GET': `${head.replace('POST', 'GET')}Connection: close\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    'a tunnel': `${head.replace('POST /mcp', 'CONNECT localhost:80')}\r\n${hidden}`,
    'a head without end': `${head}X-A: ${'b'.repeat(100_000)}\r\n${rest}`,
  };
  return Object.entries(bytes).map(([name, text]) => ({ name, bytes: text }));
}
