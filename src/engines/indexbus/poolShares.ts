import type { Telemetry } from '../../host/telemetry.ts';
import { LaneLife } from './laneTable.ts';
import type { RouterParts } from './routerParts.ts';
import { shareOf } from './shares.ts';

/** Hands out the pools: every copy lane that does not block has the same share of each, and gives back what it has above it. */
export class PoolShares {
  readonly #parts: RouterParts;
  readonly #telemetry: Pick<Telemetry, 'sometimes' | 'buggify'>;
  readonly #batchSize: () => number;
  readonly #commit: () => void;
  #share = 0;

  /** @param commit commits what is staged, if anything is */
  constructor(parts: RouterParts, batchSize: () => number, commit: () => void) {
    this.#parts = parts;
    this.#telemetry = parts.telemetry;
    this.#batchSize = batchSize;
    this.#commit = commit;
  }

  /** The share if this lane had one as well; -1 for no further lane. */
  shareWith(lane: number): number {
    const minimal = this.#telemetry.buggify('share-minimal');
    return shareOf(this.#parts.lanes, this.#parts.layout.sizes.slots, this.#batchSize(), lane, minimal);
  }

  /** Gives all lanes their shares anew. */
  shareOut(): void {
    this.#share = this.shareWith(-1);
    this.#parts.lanes.setShare(this.#share);
  }

  /** The same, and evicts what lanes have above them, in as many commits as it takes. */
  shareOutAndFit(): void {
    this.shareOut();
    while (!this.fit(this.#share)) if (this.#parts.lanes.corrupt >= 0) break;
  }

  /** What a predecessor that was killed could not do any more: lanes that have more than their share are evicted down to it. */
  recover(): void {
    this.shareOut();
    // Not what a fault point made of it: that is for joins and changes.
    const share = shareOf(this.#parts.lanes, this.#parts.layout.sizes.slots, this.#batchSize(), -1, false);
    while (!this.fit(share)) if (this.#parts.lanes.corrupt >= 0) break;
  }

  /** Evicts what copy lanes that do not block have above a share. False if that has to go on later. */
  fit(share: number): boolean {
    const { lanes, counts, commit, sources, mutants } = this.#parts;
    if (mutants.shareOff) {
      this.#commit();
      return true;
    }
    let evicted = false;
    let fits = true;
    for (let lane = 0; lane < lanes.count; lane += 1) {
      if (lanes.life[lane] !== LaneLife.live || lanes.blocking[lane] || lanes.view[lane]) continue;
      for (let producer = 0; producer < sources.count; producer += 1) {
        while (fits && counts.held(lane, producer) > share) {
          if (commit.full || !lanes.evictOldest(lane)) fits = false;
          else evicted = true;
        }
      }
    }
    this.#commit();
    this.#telemetry.sometimes('join evicted others', evicted);
    return fits;
  }

  /** Whether a lane has a share, or reserves slots. */
  any(): boolean {
    const { lanes } = this.#parts;
    for (let lane = 0; lane < lanes.count; lane += 1) {
      if (lanes.life[lane] !== LaneLife.none && !lanes.blocking[lane]) return true;
    }
    return false;
  }
}
