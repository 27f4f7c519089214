import type { Findings } from '../findings.ts';
import type { BusEvent } from './events.ts';
import type { Tally } from './tally.ts';

/** What is known of a producer. */
interface Sender {
  /** Messages in its source, or out of it by now. */
  written: number;
  /** Calls that answered that they have published. */
  accepted: number;
  /** Calls that wrote their message, met the fence then, and threw. */
  unanswered: number;
  /** One message more is written than was accepted: the call that wrote it may be under way, and throw. */
  isOneAhead: boolean;
  /** Messages that it has flushed too late: it was fenced. Undefined: it has not. */
  flushedTooLate: number | undefined;
  /** It was dead before it was over: a call may have had no answer, and what was not flushed is lost. */
  isDead: boolean;
}

function newSender(): Sender {
  return { written: 0, accepted: 0, unanswered: 0, isOneAhead: false, flushedTooLate: undefined, isDead: false };
}

/** Compares what the calls of producers have answered with what they have done. */
export class Senders {
  readonly #findings: Findings;
  readonly #flushed: Tally;
  readonly #senders = new Map<number, Sender>();
  #last = newSender();
  #lastProducer: number | undefined;

  constructor(findings: Findings, flushed: Tally) {
    this.#findings = findings;
    this.#flushed = flushed;
  }

  #of(producer: number): Sender {
    if (producer === this.#lastProducer) return this.#last;
    let sender = this.#senders.get(producer);
    if (sender === undefined) {
      sender = newSender();
      this.#senders.set(producer, sender);
    }
    this.#lastProducer = producer;
    this.#last = sender;
    return sender;
  }

  take(event: BusEvent): void {
    switch (event.event) {
      case 'published':
        this.#wrote(event.producer);
        return;
      case 'publish-accepted':
        this.#accepted(event.producer, event.through);
        return;
      case 'publish-refused':
        this.#answered(event.producer, 'refused');
        return;
      case 'publish-threw':
        this.#threw(event.producer, event.mayHaveWritten);
        return;
      case 'flushed-too-late':
        this.#of(event.producer).flushedTooLate = event.through;
        return;
      case 'producer-died':
        this.#of(event.producer).isDead = true;
        return;
      case 'producer-over':
        if (event.proven === false) this.#ends(event.producer, 'left');
        else this.#of(event.producer).isDead = true;
        return;
      case 'slots':
        if (event.quiet) for (const { producer } of event.places) this.#ends(producer, 'was quiet');
        return;
    }
  }

  #wrote(producer: number): void {
    const sender = this.#of(producer);
    sender.written += 1;
    if (sender.flushedTooLate === undefined) return;
    this.#findings.add(`producer ${producer} wrote message ${sender.written - 1} after a flush that met its fence`);
  }

  /** What was accepted is told in the middle of a call, too, where that meets a fence. */
  #accepted(producer: number, through: number): void {
    const sender = this.#of(producer);
    sender.accepted = through;
    const wasAhead = sender.isOneAhead;
    sender.isOneAhead = sender.written === through + sender.unanswered + 1;
    if (wasAhead || !sender.isOneAhead) this.#answered(producer, 'accepted');
  }

  #answered(producer: number, how: string): void {
    const { written, accepted, unanswered } = this.#of(producer);
    if (written === accepted + unanswered) return;
    this.#findings.add(
      `producer ${producer}: a publish was ${how}, and then ${written} messages were written of ${accepted} accepted`,
    );
  }

  /** The run is over: no call is under way any more. */
  end(): void {
    for (const [producer, { isDead, isOneAhead }] of this.#senders)
      if (isOneAhead && !isDead) this.#answered(producer, 'accepted');
  }

  /** Its message may stand in the source: the flush that it ended with has met the fence. */
  #threw(producer: number, mayHaveWritten: boolean): void {
    const sender = this.#of(producer);
    if (mayHaveWritten && sender.written === sender.accepted + sender.unanswered + 1) sender.unanswered += 1;
    sender.isOneAhead = false;
    this.#answered(producer, mayHaveWritten ? 'ended by a fence' : 'answered with an error');
  }

  /** What is published is flushed at the end at the latest. A fence does not change that: what it costs is what is flushed after it, which is all that was not flushed before. */
  #ends(producer: number, how: string): void {
    const { written, accepted, isDead, flushedTooLate } = this.#of(producer);
    const flushed = Math.max(this.#flushed.of(producer), flushedTooLate ?? 0);
    if (isDead || (flushed === written && flushed >= accepted)) return;
    this.#findings.add(
      `producer ${producer} ${how} with ${Math.max(accepted, written)} messages ${accepted < written ? 'written' : 'accepted'}, and ${flushed} flushed`,
    );
  }
}
