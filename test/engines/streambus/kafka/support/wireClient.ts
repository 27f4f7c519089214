import type { Host } from '../../../../../src/host/host.ts';
import type { Address, Connection, TlsOptions } from '../../../../../src/host/network.ts';
import { type ApiKey, apiOf } from '../../../../../src/wire/kafka/apis.ts';
import { correlationIdOf, decodeResponse, encodeRequest } from '../../../../../src/wire/kafka/codec.ts';
import type { RequestInput, ResponseOutput } from '../../../../../src/wire/kafka/messages.ts';

/** A connection that speaks the protocol by hand: requests can be sent without waiting, frames can be bad. */
export class WireClient {
  readonly connection: Connection;
  clientId: string | null = 'test-client';
  #correlation = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(connection: Connection) {
    this.connection = connection;
  }

  static async open(host: Host, address: Address, tls?: TlsOptions): Promise<WireClient> {
    return new WireClient(await host.network.connect(address, tls === undefined ? {} : { tls }));
  }

  /** Sends a request; resolves to its correlation id. */
  async send<K extends ApiKey>(key: K, version: number, body: RequestInput<K>): Promise<number> {
    const correlation = ++this.#correlation;
    for (const piece of encodeRequest(key, version, correlation, this.clientId, body)) {
      await this.connection.write(piece);
    }
    return correlation;
  }

  /** The next frame, without its length; undefined when the broker has closed the connection. */
  async frame(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#bytes.length >= 4) {
        const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
        const length = view.getInt32(0);
        if (this.#bytes.length >= 4 + length) {
          const frame = this.#bytes.slice(4, 4 + length);
          this.#bytes = this.#bytes.slice(4 + length);
          return frame;
        }
      }
      const chunk = await this.connection.read().catch(() => undefined);
      if (chunk === undefined) return undefined;
      const joined = new Uint8Array(this.#bytes.length + chunk.length);
      joined.set(this.#bytes);
      joined.set(chunk, this.#bytes.length);
      this.#bytes = joined;
    }
  }

  /** The next answer, which must be one of this API and version. */
  async receive<K extends ApiKey>(
    key: K,
    version: number,
  ): Promise<{ readonly correlation: number; readonly body: ResponseOutput<K> } | undefined> {
    const frame = await this.frame();
    if (frame === undefined) return undefined;
    return { correlation: correlationIdOf(frame), body: decodeResponse(key, version, frame) };
  }

  /** Sends a request and waits for its answer. Throws when the connection is closed instead. */
  async call<K extends ApiKey>(key: K, version: number, body: RequestInput<K>): Promise<ResponseOutput<K>> {
    const correlation = await this.send(key, version, body);
    const answer = await this.receive(key, version);
    if (answer === undefined) throw new Error(`${apiOf(key)?.name ?? key} ${version}: the connection was closed`);
    if (answer.correlation !== correlation) {
      throw new Error(`expected the answer of request ${correlation}, got that of ${answer.correlation}`);
    }
    return answer.body;
  }
}
