import { decodeConfChange } from '../../../consensus/confChange.ts';
import type { RawNode } from '../../../consensus/rawNode.ts';
import type { ConfChange, ConfChangeV2, Entry, Message } from '../../../consensus/types.ts';
import { groupLimits, type ReplicaBody } from './replicaBody.ts';

/** What is committed, on its way into the replica's machine; it waits while that takes nothing. */
export class ReplicaApplies {
  readonly #body: ReplicaBody;
  readonly #waiting: Message[] = [];
  #appliedOfFirst = 0;
  #holding: Promise<void> | undefined;
  #applied: { index: number; term: number };

  constructor(body: ReplicaBody, applied: { readonly index: number; readonly term: number }) {
    this.#body = body;
    this.#applied = { index: applied.index, term: applied.term };
  }

  get last(): { readonly index: number; readonly term: number } {
    return this.#applied;
  }

  /** Resolves when the machine takes entries again and was given those that wait; undefined while it takes them. */
  get holding(): Promise<void> | undefined {
    return this.#holding;
  }

  /** The machine's state was replaced by a snapshot. */
  restored(index: number, term: number): void {
    this.#applied = { index, term };
  }

  /** Work that the core gave. */
  add(message: Message): void {
    this.#waiting.push(message);
    this.#drain();
  }

  #drain(): void {
    if (this.#holding !== undefined) return;
    for (let message = this.#waiting[0]; message !== undefined; message = this.#waiting[0]) {
      while (this.#appliedOfFirst < message.entries.length) {
        const hold = this.#body.machine.hold?.();
        if (hold !== undefined) {
          this.#waitFor(hold);
          return;
        }
        const entry = message.entries[this.#appliedOfFirst++];
        if (entry !== undefined) this.#applyEntry(entry);
      }
      this.#waiting.shift();
      this.#appliedOfFirst = 0;
      this.#body.answer(message.responses);
    }
    this.#body.barriers.applied(this.#applied.index);
    this.#body.probation.end();
    this.#body.storage.shrink(this.#windowBytes, this.#applied.index);
    this.#body.schedule();
  }

  get #windowBytes(): number {
    return this.#body.context.host.telemetry.buggify('no log window') ? 0 : groupLimits.windowBytes;
  }

  #waitFor(hold: Promise<void>): void {
    this.#holding = hold
      .then(() => {
        this.#holding = undefined;
        if (!this.#body.signal.aborted) this.#drain();
      })
      .catch((error: unknown) => this.#body.context.fatal(error));
  }

  #applyEntry(entry: Entry): void {
    if (entry.index !== this.#applied.index + 1) {
      throw new Error(
        `group ${this.#body.group}: entry ${entry.index} came to be applied after ${this.#applied.index}`,
      );
    }
    const { node, machine } = this.#body;
    const change = decodeConfChange(entry);
    const isNormal = entry.type === 'normal';
    if (!isNormal) this.#configure(node, entry, change);
    const data = isNormal ? entry.data : nothing;
    const committed = { index: entry.index, term: entry.term, data };
    const result = machine.apply(committed);
    this.#applied = { index: entry.index, term: entry.term };
    this.#body.context.observer?.applied(this.#body.group, this.#body.member, committed);
    this.#body.proposals.applied(entry.index, entry.term, result);
    this.#body.applied(entry.term);
  }

  #configure(node: RawNode, entry: Entry, change: ConfChange | ConfChangeV2 | undefined): void {
    if (change === undefined) throw new Error(`group ${this.#body.group}: entry ${entry.index} holds no change`);
    const confState = node.applyConfChange(change, entry.index);
    this.#body.storage.confState = confState;
    this.#body.checkpoints.configured(entry.index, confState);
    this.#body.confChanged();
    this.#body.context.observer?.configured(this.#body.group, this.#body.member, entry.index, confState);
  }
}

const nothing = new Uint8Array(0);
