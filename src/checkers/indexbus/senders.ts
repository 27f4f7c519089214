import type { Findings } from '../findings.ts';
import type { BusEvent } from './events.ts';
import type { Tally } from './tally.ts';

/** What is known of a producer. */
interface Sender {
  /** Messages in its source, or out of it by now. */
  written: number;
  /** Calls that answered that they have published. */
  accepted: number;
  /** It was dead or fenced before it was over: a call may have had no answer, and what was not flushed is lost. */
  isCut: boolean;
}

/** Compares what the calls of producers have answered with what they have done. */
export class Senders {
  readonly #findings: Findings;
  readonly #flushed: Tally;
  readonly #senders = new Map<number, Sender>();
  #last: Sender = { written: 0, accepted: 0, isCut: false };
  #lastProducer: number | undefined;

  constructor(findings: Findings, flushed: Tally) {
    this.#findings = findings;
    this.#flushed = flushed;
  }

  #of(producer: number): Sender {
    if (producer === this.#lastProducer) return this.#last;
    let sender = this.#senders.get(producer);
    if (sender === undefined) {
      sender = { written: 0, accepted: 0, isCut: false };
      this.#senders.set(producer, sender);
    }
    this.#lastProducer = producer;
    this.#last = sender;
    return sender;
  }

  take(event: BusEvent): void {
    switch (event.event) {
      case 'published':
        this.#of(event.producer).written += 1;
        return;
      case 'publish-accepted':
        this.#of(event.producer).accepted = event.through;
        this.#answered(event.producer, 'accepted');
        return;
      case 'publish-refused':
        this.#answered(event.producer, 'refused');
        return;
      case 'producer-died':
      case 'producer-fenced':
        this.#of(event.producer).isCut = true;
        return;
      case 'producer-over':
        if (event.proven === false) this.#ends(event.producer, 'left');
        else this.#of(event.producer).isCut = true;
        return;
      case 'slots':
        if (event.quiet) for (const { producer } of event.places) this.#ends(producer, 'was quiet');
        return;
    }
  }

  #answered(producer: number, how: string): void {
    const { written, accepted, isCut } = this.#of(producer);
    // The last call of one that was fenced may have written, and then have met the fence: that is its answer.
    if (written === accepted || (isCut && written === accepted + 1)) return;
    this.#findings.add(
      `producer ${producer}: a publish was ${how}, and then ${written} messages were written of ${accepted} accepted`,
    );
  }

  #ends(producer: number, how: string): void {
    const { accepted, isCut } = this.#of(producer);
    const flushed = this.#flushed.of(producer);
    if (!isCut && accepted !== flushed)
      this.#findings.add(`producer ${producer} ${how} with ${accepted} messages accepted, and ${flushed} flushed`);
  }
}
