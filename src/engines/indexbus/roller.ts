import type { Host } from '../../host/host.ts';
import { checkNothingWaits } from './abandoned.ts';
import { placeOf } from './bringUp.ts';
import type { IndexbusConfig, SizesBody } from './config.ts';
import { declareSubscriptions, sayDeclared } from './declare.ts';
import { BusError } from './errors.ts';
import { giveUpSuccessor } from './formerGeneration.ts';
import type { SegmentSizes } from './layout.ts';
import { seeThrough } from './rolling.ts';
import type { RouterStarter, Started, Waiting } from './routerStarter.ts';
import { removeFormer, type Segment } from './segment.ts';
import type { Serving } from './serving.ts';
import { buildSuccessor, successorSizes } from './successor.ts';
import type { UnderWay } from './underWay.ts';

/** What a roller works with. */
export interface RollerParts {
  readonly host: Host;
  readonly config: IndexbusConfig;
  readonly starter: RouterStarter;
  /** Has its rolls in it: they change names and route, so the lock is kept until they are over. */
  readonly underWay: UnderWay;
  /** Ends a roll where it stands. The router after this one finds both generations and goes on. */
  readonly signal: AbortSignal;
  /** From now on the next generation is served. */
  readonly adopt: (next: Waiting) => Serving;
  /** A roll cannot go on. */
  readonly onFailure: (error: unknown) => void;
}

/** Rolls of the segment that a process routes, one at a time. */
export class Roller {
  readonly #parts: RollerParts;
  #rolling = false;

  constructor(parts: RollerParts) {
    this.#parts = parts;
  }

  /**
   * Builds the next generation of the segment with new sizes, and goes on from there by itself.
   *
   * Rejects with IB_UNSAFE_CHANGE, IB_BAD_CONFIG, or as `buildSuccessor`: nothing has changed then.
   */
  async roll(old: Serving, body: SizesBody): Promise<{ readonly segment: string; readonly generation: number }> {
    const { config, underWay } = this.#parts;
    const { segment: former } = old;
    if (this.#rolling) throw new BusError('IB_UNSAFE_CHANGE', `${former.name} is being rolled: wait until it is over`);
    const sizes = successorSizes(former, body, config.router_batch_size);
    checkNothingWaits(former);
    this.#rolling = true;
    return underWay.begin(() => this.#begin(old, sizes));
  }

  /** Goes on with a roll that a router before this one did not end. The configuration may have changed since it began. */
  goOn(old: Serving, next: Waiting): void {
    this.#rolling = true;
    this.#finish(old, next, true);
  }

  async #begin(old: Serving, sizes: SegmentSizes): Promise<{ readonly segment: string; readonly generation: number }> {
    const { host, config, signal } = this.#parts;
    try {
      const segment = await buildSuccessor(placeOf(host, config), old.segment, sizes);
      if (signal.aborted) segment.region.close();
      else this.#finish(old, { segment, ...(await this.#start(segment)) }, false);
      return { segment: segment.name, generation: segment.generation };
    } catch (error) {
      this.#rolling = false;
      throw error;
    }
  }

  /** Starts a router in the next generation. Where none can be had, the former one has the name again. */
  async #start(segment: Segment): Promise<Started> {
    const { host, config, starter } = this.#parts;
    try {
      return await starter.startRouter(segment);
    } catch (error) {
      await giveUpSuccessor(placeOf(host, config), segment);
      segment.region.close();
      throw error;
    }
  }

  #finish(old: Serving, next: Waiting, resumed: boolean): void {
    const { underWay, onFailure } = this.#parts;
    const over = (): void => {
      this.#rolling = false;
    };
    underWay.begin(() => this.#seeThrough(old, next, resumed).finally(over)).catch(onFailure);
  }

  async #seeThrough(old: Serving, next: Waiting, resumed: boolean): Promise<void> {
    const { host, config, starter, signal, adopt } = this.#parts;
    if (signal.aborted) return;
    await seeThrough(host, old, next, signal);
    if (signal.aborted) return;
    const serving = adopt(next);
    host.telemetry.logger.info('rolled', { segment: next.segment.name, generation: next.segment.generation });
    await starter.stop(old.runner);
    await removeFormer(placeOf(host, config));
    if (resumed) await declareSubscriptions(serving, config);
    if (!signal.aborted) sayDeclared(next.segment);
  }
}
