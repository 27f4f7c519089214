import { RaftPanic } from './errors.ts';
import { Inflights } from './inflights.ts';
import type { ProgressState, ProgressStatus } from './status.ts';
import type { RaftId } from './types.ts';

/** What a leader knows of one member's log, and what it may send to it. */
export class Progress {
  readonly id: RaftId;
  readonly inflights: Inflights;
  /** The member's log is known to be the leader's up to here. */
  match = 0;
  /** Index of the next entry to send; above `match`. What lies between is under way. */
  next: number;
  state: ProgressState = 'probe';
  /** While `snapshot`: the index of the one that was sent. */
  pendingSnapshot = 0;
  /** And for how many election time-outs nothing was heard of it. */
  snapshotAge = 0;
  /** Heard from since the last check of the quorum; always true of the leader itself. */
  recentActive = false;
  isLearner: boolean;
  /** A probe is under way, or the window is full: only a heartbeat's answer or an acknowledgement opens it again. */
  flowPaused = false;
  /** The highest commit index that was sent; while `snapshot` it is `pendingSnapshot`. */
  #sentCommit = 0;

  constructor(id: RaftId, next: number, isLearner: boolean, maxInflightMessages: number, maxInflightBytes: number) {
    this.id = id;
    this.next = next;
    this.isLearner = isLearner;
    this.inflights = new Inflights(maxInflightMessages, maxInflightBytes);
  }

  /** As at the start of a term: nothing is known but where the leader's own log ends. */
  reset(match: number, next: number): void {
    this.#enter('probe');
    this.match = match;
    this.next = next;
    this.recentActive = false;
    this.#sentCommit = 0;
  }

  becomeProbe(): void {
    // A snapshot that arrived is where the log goes on.
    const afterSnapshot = this.state === 'snapshot' ? this.pendingSnapshot + 1 : 0;
    this.#enter('probe');
    this.next = Math.max(this.match + 1, afterSnapshot);
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.#enter('replicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter('snapshot');
    this.pendingSnapshot = index;
    this.snapshotAge = 0;
    this.next = index + 1;
    this.#sentCommit = index;
  }

  /** A MsgApp with `count` entries from `next` on has been sent. */
  sentEntries(count: number, bytes: number): void {
    if (this.state === 'replicate') {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      // A message that fills the window is a probe: the next goes out when something comes back.
      this.flowPaused = this.inflights.full;
    } else if (this.state === 'probe') {
      if (count > 0) this.flowPaused = true;
    } else {
      throw new RaftPanic('sending append in unhandled state StateSnapshot');
    }
  }

  /** Would a message with this commit index let the member commit more than those before it? */
  canBumpCommit(commit: number): boolean {
    return commit > this.#sentCommit && this.#sentCommit < this.next - 1;
  }

  sentCommit(commit: number): void {
    this.#sentCommit = commit;
  }

  /** The member has acknowledged up to `index`. False: nothing new. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.flowPaused = false;
    return true;
  }

  /** The member has rejected a MsgApp behind `rejected`; its log may match up to `hint`. False: an old answer. */
  maybeDecrease(rejected: number, hint: number): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
      return true;
    }
    // Outside `replicate` one message is under way at a time, so a true rejection is about the last one.
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
    this.flowPaused = false;
    return true;
  }

  get paused(): boolean {
    return this.state === 'snapshot' || this.flowPaused;
  }

  status(): ProgressStatus {
    return {
      id: this.id,
      match: this.match,
      next: this.next,
      state: this.state,
      pendingSnapshot: this.pendingSnapshot,
      recentActive: this.recentActive,
      isLearner: this.isLearner,
      paused: this.paused,
      inflightMessages: this.inflights.count,
      inflightBytes: this.inflights.bytes,
      inflightFull: this.inflights.full,
    };
  }

  #enter(state: ProgressState): void {
    this.flowPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.reset();
  }
}
