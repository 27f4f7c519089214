import type { MessageName } from '../../../../checkers/indexbus/events.ts';
import { LaneCursor } from '../../../../engines/indexbus/layout.ts';
import { Point } from '../../../../engines/indexbus/points.ts';
import { SeatState } from '../../../../engines/indexbus/seat.ts';
import type { BusBook } from './busBook.ts';
import type { Reader } from './reader.ts';

/** What a producer is about to publish. */
export interface Publishing {
  readonly topic: number;
  readonly key: number;
  readonly byteLength: number;
  readonly checksum: number;
}

/** What a participant publishes and receives with: its process, and who it is on the bus once it has a seat. */
export class ParticipantWitness {
  readonly book: BusBook;
  readonly #reader: Reader;
  readonly #pid: number;
  #last = 0;
  #head = 0;
  /** Messages that the incarnation has published. */
  published = 0;
  #flushedThrough = 0;
  /** The same with what was flushed too late. */
  #handedThrough = 0;
  #accepted = 0;
  #acceptedTold = 0;
  /** The incarnation that publishes; undefined before it has a seat. */
  producer: number | undefined;
  /** The incarnation that receives. */
  lane: number | undefined;
  /** Messages that the receive under way has claimed. */
  #claims: MessageName[] = [];
  /** What the call under way publishes. */
  message: Publishing = { topic: 0, key: 0, byteLength: 0, checksum: 0 };

  constructor(book: BusBook, pid: number) {
    this.book = book;
    this.#reader = book.reader;
    this.#pid = pid;
  }

  /** To be called at each step: what stood before the last step is done. */
  step(point: number): void {
    const last = this.#last;
    this.#last = point;
    this.#done(last, point);
    if (point === Point.sleep) this.#sleeps();
    if (point === Point.claimHead && this.lane !== undefined) this.#head = this.#reader.head(this.#laneSeat());
  }

  /** A consumer that has said that it sleeps has looked again: a message that is there now would wait until its sleep is over. */
  #sleeps(): void {
    const { lane } = this;
    if (lane === undefined) return;
    const seat = this.#laneSeat();
    const reader = this.#reader;
    if (reader.lane(seat) !== lane || reader.laneState(seat) !== SeatState.live) return;
    const head = reader.laneCursor(seat, LaneCursor.head);
    // What is frozen is nobody's for the moment.
    if (head !== reader.head(seat) || reader.laneDepth(seat) <= 0) return;
    const who = `the consumer of lane ${lane} goes to sleep, and ${reader.laneDepth(seat)} messages are in its lane`;
    this.book.put({ event: 'stuck', who });
  }

  /** The call under way has returned, or the process has ended. */
  settle(): void {
    const last = this.#last;
    this.#last = 0;
    if (last !== 0) this.#done(last, 0);
  }

  #done(last: number, point: number): void {
    switch (last) {
      case Point.writeDescriptor:
        this.#wrote();
        return;
      case Point.storeTail:
        this.#flushed();
        return;
      case Point.claimHead:
        if (point === Point.consumerWakesRouter) this.#claimed();
        return;
      case Point.storeDone:
        if (this.lane !== undefined) this.book.put({ event: 'through', lane: this.lane });
        return;
      case Point.seatLive:
      case Point.seatLeaving:
      case Point.acknowledgeFence:
        this.book.lookForAcknowledged(this.#pid);
        this.tellAccepted();
        this.book.lookForLeavers(this.#pid);
        return;
    }
  }

  #wrote(): void {
    if (this.producer === undefined) return;
    this.book.put({ event: 'published', producer: this.producer, sequence: this.published, ...this.message });
    this.published += 1;
  }

  #flushed(): void {
    const { producer } = this;
    if (producer === undefined) return;
    this.#handedThrough = this.published;
    // What is flushed after the fence never was.
    if (this.#reader.producer(producer & 63) === producer && this.book.isProducerFenced(producer & 63)) {
      this.book.put({ event: 'flushed-too-late', producer, through: this.published });
      return;
    }
    this.#flushedThrough = this.published;
    this.book.put({ event: 'flushed', producer, through: this.published });
    this.book.noteWriter('producer', producer);
  }

  /** Messages that it has published, and the router does not know of. */
  get unflushed(): number {
    return this.published - this.#flushedThrough;
  }

  /** Messages that it has published and has still to flush: who was fenced may have done so too late. */
  get unsent(): number {
    return this.published - this.#handedThrough;
  }

  /** Its call has answered. As long as each accepted one wrote one message they are told together: one event a message costs a run a tenth of its speed. */
  answered(isAccepted: boolean): void {
    const { producer } = this;
    if (producer === undefined) return;
    if (isAccepted) this.#accepted += 1;
    if (!isAccepted || this.#accepted !== this.published) this.tellAccepted();
    if (!isAccepted) this.book.put({ event: 'publish-refused', producer });
  }

  /** Its call has thrown. @param mayHaveWritten it says that what was published last may be routed */
  threw(mayHaveWritten: boolean): void {
    const { producer } = this;
    if (producer === undefined) return;
    this.tellAccepted();
    this.book.put({ event: 'publish-threw', producer, mayHaveWritten });
  }

  /** To be called when its turn is over; who leaves may do so in the middle of one. */
  tellAccepted(): void {
    const { producer } = this;
    if (producer === undefined || this.#accepted === this.#acceptedTold) return;
    this.#acceptedTold = this.#accepted;
    this.book.put({ event: 'publish-accepted', producer, through: this.#accepted });
  }

  #claimed(): void {
    const { lane } = this;
    if (lane === undefined) return;
    const seat = this.#laneSeat();
    for (const cursor of this.#reader.between(this.#head, this.#reader.head(seat))) {
      const { producer, sequence } = this.#reader.entry(seat, cursor);
      this.book.put({ event: 'claimed', lane, producer, sequence });
      this.#claims.push({ producer, sequence });
    }
    this.book.noteWriter('lane', lane);
  }

  /** To be called before a receive. */
  receives(): void {
    if (this.#claims.length > 0) this.#claims = [];
  }

  /** The receive has thrown: the application has nothing of what it claimed. Returns whether that is anything. */
  withholds(): boolean {
    const { lane } = this;
    if (lane === undefined) return false;
    for (const message of this.#claims) this.book.put({ event: 'withheld', lane, ...message });
    return this.#claims.length > 0;
  }

  #laneSeat(): number {
    return (this.lane ?? 0) & 63;
  }

  /** It has a seat of its own from now on. */
  seated(kind: 'producer' | 'lane', number: number): void {
    if (kind === 'producer') {
      // One that has moved in another segment has its seat here as before.
      if (this.producer === number) return;
      this.producer = number;
      this.published = 0;
      this.#flushedThrough = 0;
      this.#handedThrough = 0;
      this.#accepted = 0;
      this.#acceptedTold = 0;
    } else this.lane = number;
  }
}
