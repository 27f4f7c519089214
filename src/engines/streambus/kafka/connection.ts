import type { Millis, Timer } from '../../../host/clock.ts';
import { type Connection, NetworkError } from '../../../host/network.ts';
import type { TaskView } from '../admin/context.ts';
import { type Answer, dispatch } from './dispatch.ts';
import type { Door } from './door.ts';
import { DropConnection } from './dropConnection.ts';
import { FrameError, FrameReader } from './frameReader.ts';
import type { DoorRefusal } from './hooks.ts';
import { lingerMs, maxInFlight, maxUnauthenticatedBytes, minFrameBytes, silenceMs } from './limits.ts';
import { ResponseWriter } from './responseWriter.ts';
import { openSession, type Session } from './session.ts';

/** A request that was begun: its place in the order of answers. */
interface Pending {
  /** Held of the budget: the request's, then also its answer's. */
  bytes: number;
  /** Undefined: the connection is to be closed. */
  answer: Answer | undefined;
  isSettled: boolean;
}

export interface KafkaConnectionOptions {
  readonly door: Door;
  readonly connection: Connection;
  readonly number: number;
  readonly isAdminOnly: boolean;
}

/**
 * One client's connection. Requests are begun in the order in which they come and answered in that order; up to `maxInFlight` of
 * them are under way, then reading stops and TCP holds the client back.
 */
export class KafkaConnection {
  readonly #door: Door;
  readonly #connection: Connection;
  readonly #session: Session;
  readonly #stop = new AbortController();
  readonly #reader: FrameReader;
  readonly #writer: ResponseWriter;
  readonly #pending: Pending[] = [];
  #lastByteAt: Millis;
  #hasRequest = false;
  /** Taken from the budget for the frame that is being read. */
  #reservedBytes = 0;
  #isReadingOver = false;
  #isDraining = false;
  #isDestroyed = false;
  /** True while the next frame's bytes are waited for: only then silence is the client's. */
  #isAwaitingBytes = false;
  #awaitingSince: Millis = 0;
  #mutedUntil: Millis = 0;
  #wakeWriter: (() => void) | undefined;
  #wakeReader: (() => void) | undefined;
  #watch: Timer | undefined;

  constructor(options: KafkaConnectionOptions) {
    this.#door = options.door;
    this.#connection = options.connection;
    this.#session = openSession(options.door, {
      connection: options.number,
      clientHost: options.connection.remote.host,
      isAdminOnly: options.isAdminOnly,
      signal: this.#stop.signal,
    });
    this.#lastByteAt = this.#now();
    const { max_request: maxRequestBytes } = options.door.services.config.network;
    this.#writer = new ResponseWriter((bytes) => this.#connection.write(bytes), options.door.host.clock);
    this.#reader = new FrameReader({
      read: () => this.#read(),
      minFrameBytes: () => (this.#session.sasl.isRaw ? 1 : minFrameBytes),
      maxFrameBytes: () =>
        this.#session.isAuthenticated ? maxRequestBytes : Math.min(maxRequestBytes, maxUnauthenticatedBytes),
      reserve: (bytes) => this.#reserve(bytes),
    });
  }

  /** What the connection does now. */
  task(): TaskView {
    const { connection, clientHost, principal } = this.#session;
    const count = this.#pending.filter(({ isSettled }) => !isSettled).length;
    return {
      state: count === 0 ? 'await request' : `${count} requests under way`,
      forMs: this.#now() - this.#lastByteAt,
      what: `connection ${connection} from ${clientHost} ${principal}`,
      where: 'kafka/connection',
      by: 'kafka/listener',
    };
  }

  /** Serves the client until the connection is over; never rejects. */
  async run(): Promise<void> {
    this.#watchAfter(silenceMs);
    const reading = this.#readRequests();
    await this.#writeAnswers();
    await this.#end();
    // Whatever waits for bytes or for room is woken by the end of the connection.
    this.#destroy();
    await reading;
    await this.#connection.closed;
    this.#watch?.cancel();
  }

  /** Begins no more requests, ends waits, answers what was begun, then closes. */
  drain(): void {
    this.#isDraining = true;
    this.#stop.abort();
    this.#finishReading();
    this.#wakeReader?.();
  }

  /** Drops the connection. */
  destroy(): void {
    this.#destroy();
  }

  #now(): Millis {
    return this.#door.host.clock.now();
  }

  async #read(): Promise<Uint8Array | undefined> {
    this.#isAwaitingBytes = true;
    // What was not asked for cannot have come: silence counts from here.
    this.#awaitingSince = this.#now();
    try {
      return await this.#connection.read();
    } finally {
      this.#isAwaitingBytes = false;
      this.#lastByteAt = this.#now();
    }
  }

  async #reserve(bytes: number): Promise<boolean> {
    if (!(await this.#door.budget.take(bytes, this.#stop.signal))) return false;
    this.#reservedBytes = bytes;
    return true;
  }

  async #readRequests(): Promise<void> {
    try {
      while (await this.#mayRead()) {
        const frame = await this.#reader.next();
        // The client may have gone over its quota while this frame was awaited.
        if (frame === undefined || !(await this.#mayRead())) break;
        this.#hasRequest = true;
        const settled = this.#begin(frame);
        // What follows an authentication depends on it.
        if (settled.isBarrier) await settled.done;
      }
    } catch (error) {
      if (error instanceof FrameError) this.#refuse(error.reason, error.message);
      else if (!(error instanceof NetworkError)) throw error;
    }
    this.#door.budget.give(this.#reservedBytes);
    this.#reservedBytes = 0;
    this.#finishReading();
    // The client has gone or sends no more: nobody waits on its behalf.
    this.#stop.abort();
  }

  /** Waits while too much is under way or the client is held back for its quota; false when reading is over. */
  async #mayRead(): Promise<boolean> {
    for (;;) {
      if (this.#isDraining || this.#isDestroyed || this.#isReadingOver) return false;
      const muteMs = this.#mutedUntil - this.#now();
      if (this.#pending.length < maxInFlight && muteMs <= 0) return true;
      await new Promise<void>((resolve) => {
        const timer = muteMs > 0 ? this.#door.host.clock.timer(muteMs, resolve) : undefined;
        this.#wakeReader = () => {
          timer?.cancel();
          resolve();
        };
      });
      this.#wakeReader = undefined;
    }
  }

  #begin(frame: Uint8Array): { readonly isBarrier: boolean; readonly done: Promise<void> } {
    const pending: Pending = { bytes: this.#reservedBytes, answer: undefined, isSettled: false };
    this.#reservedBytes = 0;
    this.#pending.push(pending);
    const { answer, isBarrier } = dispatch(this.#door, this.#session, frame);
    const done = answer.then(
      (given) => {
        if (this.#isDestroyed) return;
        const bytes = given.pieces.reduce((sum, piece) => sum + piece.length, 0);
        this.#door.budget.charge(bytes);
        pending.bytes += bytes;
        pending.answer = given;
        pending.isSettled = true;
        if (given.muteMs > 0) this.#mutedUntil = Math.max(this.#mutedUntil, this.#now() + given.muteMs);
        this.#wakeWriter?.();
      },
      (error: unknown) => {
        pending.isSettled = true;
        this.#noteDrop(error);
        this.#finishReading();
        this.#wakeWriter?.();
      },
    );
    return { isBarrier, done };
  }

  #noteDrop(error: unknown): void {
    if (error instanceof DropConnection) {
      this.#refuse(error.reason, error.message);
      return;
    }
    this.#door.host.telemetry.logger.error('kafka request failed', {
      connection: this.#session.connection,
      client: this.#session.clientHost,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  /** Notes why the client is sent away; what it was owed before is still answered. */
  #refuse(reason: DoorRefusal, message: string): void {
    this.#door.hooks.refused(reason);
    this.#door.refusals.note({
      connection: this.#session.connection,
      client: this.#session.clientHost,
      reason,
      message,
    });
  }

  async #writeAnswers(): Promise<void> {
    try {
      for (;;) {
        const head = this.#pending[0];
        if (head === undefined && this.#isReadingOver) break;
        if (this.#isDestroyed) break;
        if (head === undefined || !head.isSettled) {
          await this.#writer.flush();
          if (this.#pending[0]?.isSettled) continue;
          if (this.#pending.length === 0 && this.#isReadingOver) continue;
          await new Promise<void>((resolve) => {
            this.#wakeWriter = resolve;
          });
          this.#wakeWriter = undefined;
          continue;
        }
        if (head.answer === undefined) break;
        await this.#writer.add(head.answer.pieces);
        // Destroying meanwhile has given back what the request held.
        if (this.#isDestroyed) break;
        this.#pending.shift();
        this.#door.budget.give(head.bytes);
        this.#wakeReader?.();
        if (head.answer.closeAfter) break;
      }
      await this.#writer.flush();
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
    }
    this.#finishReading();
    this.#stop.abort();
    this.#wakeReader?.();
  }

  /** Ends our direction and gives the client a moment to take what was written. */
  async #end(): Promise<void> {
    if (this.#isDestroyed) return;
    const enough = new AbortController();
    const ended = this.#connection.end().then(
      () => this.#connection.closed,
      () => undefined,
    );
    const late = this.#door.host.clock.sleep(lingerMs, enough.signal).catch(() => undefined);
    await Promise.race([ended, late]);
    enough.abort();
  }

  #finishReading(): void {
    this.#isReadingOver = true;
    this.#wakeWriter?.();
  }

  #destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#stop.abort();
    this.#connection.destroy();
    this.#finishReading();
    this.#wakeReader?.();
    // Nobody waits for the answers any more.
    for (const pending of this.#pending.splice(0)) this.#door.budget.give(pending.bytes);
    this.#watch?.cancel();
  }

  #watchAfter(ms: Millis): void {
    this.#watch?.cancel();
    this.#watch = this.#door.host.clock.timer(ms, () => this.#look());
  }

  /** Closes a connection whose client is silent where it should not be, or does not take its answers. */
  #look(): void {
    if (this.#isDestroyed) return;
    const { idle_timeout: idleTimeoutMs } = this.#door.services.config.network;
    const now = this.#now();
    const stalledSince = this.#writer.stalledSince;
    if (stalledSince !== undefined && now - stalledSince >= idleTimeoutMs) {
      this.#refuse('not-reading', `the client has taken nothing for ${idleTimeoutMs} ms`);
      this.#destroy();
      return;
    }
    const isUrged = this.#isAwaitingBytes && (this.#reader.isInside || !this.#hasRequest);
    const isIdle = this.#isAwaitingBytes && this.#pending.length === 0 && stalledSince === undefined;
    const allowedMs = isUrged ? silenceMs : idleTimeoutMs;
    const silentMs = now - Math.max(this.#awaitingSince, this.#writer.lastWriteAt);
    if ((isUrged || isIdle) && silentMs >= allowedMs) {
      this.#refuse(isUrged ? 'silent' : 'idle', `expected bytes within ${allowedMs} ms, none came`);
      this.#destroy();
      return;
    }
    // Looking as often as the shortest limit asks costs one timer a connection and needs no re-arming at each byte.
    this.#watchAfter(Math.max(1, Math.min(isUrged || isIdle ? allowedMs - silentMs : silenceMs, silenceMs)));
  }
}
