import type { Host } from '../../../../host/host.ts';
import { type Address, type Connection, NetworkError } from '../../../../host/network.ts';
import type { ApiKey } from '../../../../wire/kafka/apis.ts';
import { correlationIdOf, decodeResponse, encodeRequest } from '../../../../wire/kafka/codec.ts';
import type { RequestInput, ResponseOutput } from '../../../../wire/kafka/messages.ts';

/** A call came to nothing. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed';
  /** `ECONNREFUSED`, `CLIENT_TIMEOUT`, `CONNECTION_LOST` … */
  readonly code: string;
  /** Bytes of it may have left this machine: whether it was done is open. */
  readonly sent: boolean;

  constructor(code: string, sent: boolean, message: string) {
    super(message);
    this.code = code;
    this.sent = sent;
  }
}

/** Before each frame stands its length. */
const lengthBytes = 4;

interface Waiting {
  readonly resolve: (frame: Uint8Array) => void;
  readonly reject: (error: CallFailed) => void;
}

/**
 * One connection to one broker, as the workload uses it: requests go out in the order of the calls, and nothing is ever sent twice. What
 * became of a call is told exactly, because a history is made of it.
 */
export class KafkaConnection {
  readonly #connection: Connection;
  readonly #host: Host;
  readonly #clientId: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #outgoing: Uint8Array[] = [];
  #writing = false;
  #next = 1;
  #broken: string | undefined;

  private constructor(host: Host, connection: Connection, clientId: string) {
    this.#host = host;
    this.#connection = connection;
    this.#clientId = clientId;
    void this.#read();
  }

  /** Connects. Throws `CallFailed`, of which nothing was sent. */
  static async open(host: Host, address: Address, clientId: string, timeoutMs: number): Promise<KafkaConnection> {
    try {
      return new KafkaConnection(host, await host.network.connect(address, { timeoutMs }), clientId);
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      throw new CallFailed(error.code, false, error.message);
    }
  }

  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  /** Calls an API and resolves with its answer. Rejects with `CallFailed`. After a time-out the connection is dropped. */
  async call<K extends ApiKey>(
    key: K,
    version: number,
    body: RequestInput<K>,
    timeoutMs: number,
  ): Promise<ResponseOutput<K>> {
    if (this.#broken !== undefined) throw new CallFailed(this.#broken, false, 'the connection is broken');
    const id = this.#next++;
    const answered = new Promise<Uint8Array>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const timer = this.#host.clock.timer(timeoutMs, () => this.#break('CLIENT_TIMEOUT'));
    this.#outgoing.push(...encodeRequest(key, version, id, this.#clientId, body));
    void this.#write();
    try {
      return decodeResponse(key, version, await answered);
    } finally {
      timer.cancel();
    }
  }

  /** Sends a request to which no answer comes (acks=0). */
  post<K extends ApiKey>(key: K, version: number, body: RequestInput<K>): void {
    if (this.#broken !== undefined) throw new CallFailed(this.#broken, false, 'the connection is broken');
    this.#outgoing.push(...encodeRequest(key, version, this.#next++, this.#clientId, body));
    void this.#write();
  }

  close(): void {
    this.#break('CONNECTION_LOST');
  }

  async #write(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      for (let piece = this.#outgoing.shift(); piece !== undefined; piece = this.#outgoing.shift()) {
        await this.#connection.write(piece);
      }
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      this.#break(error.code);
    } finally {
      this.#writing = false;
    }
  }

  async #read(): Promise<void> {
    // A large answer comes in many pieces: they are joined when it is whole, not one by one.
    let pieces: Uint8Array[] = [];
    let held = 0;
    let needed = lengthBytes;
    try {
      for (let bytes = await this.#connection.read(); bytes !== undefined; bytes = await this.#connection.read()) {
        pieces.push(bytes);
        held += bytes.length;
        if (held < needed) continue;
        const left = this.#take(pieces.length === 1 ? bytes : Buffer.concat(pieces, held));
        pieces = left.length === 0 ? [] : [left];
        held = left.length;
        needed = neededBytes(left);
      }
      this.#break('CONNECTION_LOST');
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      this.#break(error.code);
    }
  }

  /** Hands out whole frames; gives what is left. */
  #take(held: Uint8Array): Uint8Array {
    let at = 0;
    while (held.length - at >= lengthBytes) {
      const end = at + neededBytes(held.subarray(at));
      if (held.length < end) break;
      const frame = held.slice(at + lengthBytes, end);
      at = end;
      const id = correlationIdOf(frame);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      waiting?.resolve(frame);
    }
    return held.subarray(at);
  }

  #break(code: string): void {
    if (this.#broken !== undefined) return;
    this.#broken = code;
    this.#outgoing.length = 0;
    this.#connection.destroy();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new CallFailed(code, true, `no answer: ${code}`));
  }
}

/** Bytes of the frame that begins here, and of its length; of the length alone as long as that is not there. */
function neededBytes(held: Uint8Array): number {
  if (held.length < lengthBytes) return lengthBytes;
  return lengthBytes + new DataView(held.buffer, held.byteOffset, lengthBytes).getInt32(0);
}
