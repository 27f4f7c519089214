import type { Host } from '../../../host/host.ts';
import { type Address, type Connection, type Listener, NetworkError, type TlsOptions } from '../../../host/network.ts';
import { MalformedBytes } from '../../../wire/rpc/bytes.ts';
import { FrameError } from '../../../wire/rpc/frames.ts';
import {
  type FrameStream,
  HandshakeError,
  type HandshakeSelf,
  hearIntroduction,
  type Introduction,
  isSameIntroduction,
} from '../../../wire/rpc/handshake.ts';
import {
  decodeNumber,
  decodeRequest,
  encodeAnswer,
  encodeNumber,
  FrameKind,
  type RequestFrame,
} from '../../../wire/rpc/requests.ts';
import type { BrokerId } from '../ids.ts';
import { OutgoingBytes } from './connection.ts';
import { Progress } from './echoes.ts';
import type { KnownStarts } from './knownStarts.ts';
import { type RpcHandler, RpcRefusal } from './rpc.ts';

/** Requests of one connection that are being answered; what comes beyond is refused with `BUSY`. */
const servedMax = 4_096;
/** Connections that have not said who they are. */
const unknownMax = 256;
/** How long they have for it. */
const helloTimeoutMs = 5_000;

/** What is done with what other brokers send. */
export interface InboundContext {
  readonly host: Host;
  readonly self: () => HandshakeSelf;
  readonly tls: () => TlsOptions | undefined;
  /** What is long goes out compressed. */
  readonly packs: boolean;
  readonly handlerOf: (name: string) => { readonly handler: RpcHandler; readonly strangers: boolean } | undefined;
  /** What is known of the other brokers' starts: it is told of each process. */
  readonly starts: KnownStarts;
  /** Why a broker is not listened to: its incarnation was replaced. */
  readonly judge: (peer: Introduction) => HandshakeError | undefined;
  /** A frame that is neither request nor ping. Throws `MalformedBytes`. */
  readonly onFrame: (kind: number, payload: Uint8Array, from: Introduction) => void;
  /** The frames of one read have been given. */
  readonly onRead: () => void;
  /** A process of this broker was heard for the first time: what an earlier one had under way is lost. */
  readonly onNewProcess: (broker: BrokerId) => void;
  readonly onFenced: (reason: string) => void;
}

interface Session {
  readonly connection: Connection;
  readonly peer: Introduction;
}

/** The connections that other brokers have made to this one. */
export class Inbound {
  readonly #context: InboundContext;
  readonly #sessions = new Set<Session>();
  readonly #newest = new Map<BrokerId, { incarnation: number; startCount: number }>();
  #listener: Listener | undefined;
  #unknown = 0;
  #closed = false;

  constructor(context: InboundContext) {
    this.#context = context;
  }

  /** Begins to accept. Rejects with `NetworkError`. */
  async listen(address: Address): Promise<Address> {
    const { host } = this.#context;
    const tls = this.#context.tls();
    this.#listener = await host.network.listen(
      address,
      (connection) => {
        void this.#serve(connection);
      },
      tls === undefined ? {} : { tls },
    );
    return this.#listener.address;
  }

  /** Who we are has changed, or who may speak: everybody introduces himself again. */
  dropAll(): void {
    for (const session of [...this.#sessions]) session.connection.destroy();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#listener?.close();
    this.dropAll();
  }

  async #serve(connection: Connection): Promise<void> {
    const { host, self, judge, onFenced } = this.#context;
    if (this.#closed || this.#unknown >= unknownMax) {
      connection.destroy();
      return;
    }
    this.#unknown++;
    const late = host.clock.timer(helloTimeoutMs, () => connection.destroy());
    let isKnown = false;
    try {
      const own = self();
      const { peer, frames } = await hearIntroduction(connection, own, (who) => judge(who) ?? this.#judgeStart(who));
      if (!isSameIntroduction(own.introduction, self().introduction)) {
        throw new HandshakeError('identity', 'this broker got another identity while it introduced itself');
      }
      late.cancel();
      this.#unknown--;
      isKnown = true;
      await this.#listenTo({ connection, peer }, frames);
    } catch (error) {
      // It was not the other one's fault, and he tries again.
      const isOurs = error instanceof HandshakeError && error.code === 'identity';
      if (error instanceof HandshakeError && !isOurs) onFenced(error.code);
      if (!(error instanceof NetworkError) && !isOurs) {
        const message = error instanceof Error ? error.message : String(error);
        host.telemetry.logger.warn('connection of a broker refused', { from: connection.remote.host, error: message });
      }
    } finally {
      if (!isKnown) this.#unknown--;
      late.cancel();
      connection.destroy();
    }
  }

  /** A process that has been replaced by a later one of its broker is not listened to. */
  #judgeStart(peer: Introduction): HandshakeError | undefined {
    if (peer.incarnation === 0) return undefined;
    const known = this.#newest.get(peer.broker);
    const isOlder =
      known !== undefined &&
      (peer.incarnation < known.incarnation ||
        (peer.incarnation === known.incarnation && peer.startCount < known.startCount));
    if (!isOlder) return undefined;
    return new HandshakeError(
      'fenced',
      `broker ${peer.broker} speaks as start ${peer.startCount} of incarnation ${peer.incarnation}; start ${known.startCount} of ` +
        `incarnation ${known.incarnation} was heard already`,
    );
  }

  async #listenTo(session: Session, frames: Pick<FrameStream, 'each'>): Promise<void> {
    const { connection, peer } = session;
    const { clock } = this.#context.host;
    this.#noteProcess(peer);
    this.#sessions.add(session);
    const cancels = new Map<number, AbortController>();
    const out = new OutgoingBytes(connection, () => connection.destroy(), this.#context.packs);
    const progress = new Progress(clock.now());
    try {
      await frames.each(
        (kind, payload) => {
          if (kind === FrameKind.ping) {
            out.urge(encodeNumber(FrameKind.pong, progress.pinged(clock.now(), decodeNumber(payload))));
          } else if (kind === FrameKind.request) {
            // Read here: nobody would hear of what cannot be read within the answer's promise, and the process would end of it.
            void this.#answer(decodeRequest(payload), peer, out, cancels);
          } else if (kind === FrameKind.cancel) {
            cancels.get(decodeNumber(payload))?.abort();
          } else {
            this.#context.onFrame(kind, payload, peer);
          }
        },
        (bytes) => {
          const heard = progress.read(bytes, () => clock.now());
          if (heard !== undefined) out.urge(encodeNumber(FrameKind.pong, heard));
          this.#context.onRead();
        },
      );
    } catch (error) {
      if (error instanceof MalformedBytes) throw new FrameError(`broker ${peer.broker}: ${error.message}`);
      throw error;
    } finally {
      this.#sessions.delete(session);
      for (const cancel of cancels.values()) cancel.abort();
    }
  }

  #noteProcess(peer: Introduction): void {
    if (peer.incarnation === 0) return;
    const known = this.#newest.get(peer.broker);
    const { incarnation, startCount } = peer;
    if (known?.incarnation === incarnation && known.startCount === startCount) return;
    this.#newest.set(peer.broker, { incarnation, startCount });
    // Who has an identity to show has been let in.
    this.#context.starts.heard(peer.broker, {
      storage: '',
      session: '',
      incarnation,
      startCount,
      servedStart: startCount,
    });
    // Also who was away when it asked to be let in remembers that it was.
    void this.#context.starts.note();
    for (const session of [...this.#sessions]) {
      if (session.peer.broker === peer.broker) session.connection.destroy();
    }
    if (known !== undefined) this.#context.onNewProcess(peer.broker);
  }

  async #answer(
    { id, name, body }: RequestFrame,
    peer: Introduction,
    out: OutgoingBytes,
    cancels: Map<number, AbortController>,
  ): Promise<void> {
    const cancel = new AbortController();
    if (cancels.size >= servedMax) {
      out.write(encodeAnswer({ id, ok: false, code: 'BUSY', message: `${servedMax} requests are being answered` }));
      return;
    }
    cancels.set(id, cancel);
    try {
      const answered = await this.#handle(name, body, peer, cancel.signal);
      out.write(encodeAnswer({ id, ok: true, body: answered }));
    } catch (error) {
      const code = error instanceof RpcRefusal ? error.code : 'FAILED';
      const message = error instanceof Error ? error.message : String(error);
      out.write(encodeAnswer({ id, ok: false, code, message }));
    } finally {
      cancels.delete(id);
    }
  }

  #handle(name: string, body: Uint8Array, peer: Introduction, signal: AbortSignal): Promise<Uint8Array> {
    const served = this.#context.handlerOf(name);
    if (served === undefined) return Promise.reject(new RpcRefusal('UNKNOWN', `nobody answers ${name} here`));
    const own = this.#context.self().introduction;
    const isStranger = peer.incarnation === 0 || peer.cluster === '' || own.cluster === '';
    if (isStranger && !served.strangers) {
      return Promise.reject(new RpcRefusal('STRANGER', `${name} is for brokers of one cluster`));
    }
    return served.handler(body, peer.broker, signal);
  }
}
