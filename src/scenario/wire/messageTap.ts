import type { NetworkTap, PipeTap } from '../../sim/network/tap.ts';
import type { MessageRecord } from '../observations.ts';
import { chunkBytesMax, concatenate, headBytesMax } from './frames.ts';

/** Segments of a path that are longer are cut: ids would make every label another. */
const segmentLengthMax = 24;

const prefixBytes = 4;
const decoder = new TextDecoder();

/** A message that is not over yet. */
type OpenMessage = { -readonly [Key in keyof MessageRecord]: MessageRecord[Key] };

/**
 * Cuts what goes over connections into messages of the routes' protocol (`frames.ts`) and gives each to `keep` when its
 * first byte is sent; it is completed in place, and stays without `receivedMs` when its end does not arrive. On a
 * connection that speaks otherwise a message is what one write sent.
 *
 * @param now virtual milliseconds
 */
export function createMessageTap(now: () => number, keep: (message: MessageRecord) => void): NetworkTap {
  return { open: (from, to) => new MessagePipe(from, to, now, keep) };
}

/** What the next bytes of a stream are. */
type Part = 'head-length' | 'head' | 'chunk-length' | 'chunk';

class MessagePipe implements PipeTap {
  readonly #from: string;
  readonly #to: string;
  readonly #now: () => number;
  readonly #keep: (message: MessageRecord) => void;
  #speaksRoutes = true;
  #part: Part = 'head-length';
  /** Bytes of the part that are still to come, and those of a length or head that have. */
  #missing = prefixBytes;
  #collected: Uint8Array[] = [];
  #message: OpenMessage | undefined;
  #sentBytes = 0;
  #arrivedBytes = 0;
  /** Whole messages that have not arrived, with the place in the stream where each ends. */
  readonly #underWay: { readonly message: OpenMessage; readonly endBytes: number }[] = [];

  constructor(from: string, to: string, now: () => number, keep: (message: MessageRecord) => void) {
    this.#from = from;
    this.#to = to;
    this.#now = now;
    this.#keep = keep;
  }

  sent(bytes: Uint8Array): void {
    let at = 0;
    while (this.#speaksRoutes && at < bytes.length) at += this.#take(bytes.subarray(at));
    if (this.#speaksRoutes) return;
    // What began as a message of the routes and was none ends here, with this write.
    this.#message ??= this.#begin('data');
    this.#message.label = 'data';
    this.#count(bytes.length - at);
    this.#end();
  }

  arrived(bytes: number): void {
    this.#arrivedBytes += bytes;
    for (;;) {
      const first = this.#underWay[0];
      if (first === undefined || first.endBytes > this.#arrivedBytes) return;
      first.message.receivedMs = this.#now();
      this.#underWay.shift();
    }
  }

  /** Takes what belongs to the present part; gives the number of bytes. */
  #take(bytes: Uint8Array): number {
    this.#message ??= this.#begin('');
    const piece = bytes.length > this.#missing ? bytes.subarray(0, this.#missing) : bytes;
    this.#missing -= piece.length;
    this.#count(piece.length);
    // The last piece is read at once; only what is cut has to be kept.
    if (this.#part !== 'chunk' && this.#missing > 0) this.#collected.push(piece.slice());
    else if (this.#missing === 0) this.#finishPart(this.#part === 'chunk' ? piece : this.#whole(piece));
    return piece.length;
  }

  #whole(last: Uint8Array): Uint8Array {
    if (this.#collected.length === 0) return last;
    const whole = concatenate([...this.#collected, last]);
    this.#collected = [];
    return whole;
  }

  #finishPart(bytes: Uint8Array): void {
    switch (this.#part) {
      case 'head-length':
        this.#enter('head', lengthOf(bytes), headBytesMax);
        break;
      case 'head': {
        const label = labelOf(bytes);
        if (label === undefined) this.#speaksRoutes = false;
        else if (this.#message !== undefined) this.#message.label = label;
        this.#enter('chunk-length', prefixBytes, prefixBytes);
        break;
      }
      case 'chunk-length': {
        const length = lengthOf(bytes);
        if (length > 0) {
          this.#enter('chunk', length, chunkBytesMax);
        } else {
          this.#enter('head-length', prefixBytes, prefixBytes);
          this.#end();
        }
        break;
      }
      case 'chunk':
        this.#enter('chunk-length', prefixBytes, prefixBytes);
    }
  }

  #enter(part: Part, bytes: number, max: number): void {
    this.#part = part;
    this.#missing = bytes;
    // No message of the routes has an empty head, or parts that long.
    if (bytes === 0 || bytes > max) this.#speaksRoutes = false;
  }

  #begin(label: string): OpenMessage {
    const message: OpenMessage = { sentMs: this.#now(), from: this.#from, to: this.#to, bytes: 0, label };
    this.#keep(message);
    return message;
  }

  #count(bytes: number): void {
    this.#sentBytes += bytes;
    if (this.#message !== undefined) this.#message.bytes += bytes;
  }

  #end(): void {
    if (this.#message === undefined) return;
    this.#underWay.push({ message: this.#message, endBytes: this.#sentBytes });
    this.#message = undefined;
  }
}

function lengthOf(prefix: Uint8Array): number {
  return new DataView(prefix.buffer, prefix.byteOffset, prefixBytes).getUint32(0, true);
}

/** What a head says: method and path, or status; undefined if it is no head. */
function labelOf(bytes: Uint8Array): string | undefined {
  let head: unknown;
  try {
    head = JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof head !== 'object' || head === null) return undefined;
  if ('status' in head && typeof head.status === 'number') return String(head.status);
  if (!('method' in head && 'path' in head) || typeof head.path !== 'string') return undefined;
  return `${head.method} ${shortened(head.path)}`;
}

/** Without the query string, and with its long segments cut: `/v1/assertions/…`. */
function shortened(path: string): string {
  const query = path.indexOf('?');
  const plain = query < 0 ? path : path.slice(0, query);
  if (plain.length <= segmentLengthMax) return plain;
  return plain
    .split('/')
    .map((segment) => (segment.length > segmentLengthMax ? '…' : segment))
    .join('/');
}
