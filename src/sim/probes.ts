import type { DeclaredPoints } from '../host/telemetry.ts';
import type { SimRandom } from './random.ts';

/** A probe of one run: `sometimes` was called with this name, and its condition held at least once. */
export interface ProbeState {
  readonly name: string;
  readonly reached: boolean;
}

/** Part of the runs in which a fault point is live, and part of the time that a live one then fires. */
const LIVE = 0.25;
const FIRES = 0.25;

/** The probes and fault points of one world, and the bugs that are planted in it. */
export class Probes {
  readonly #random: SimRandom;
  readonly #buggify: boolean;
  readonly #mutants: ReadonlySet<string>;
  readonly #declared: DeclaredPoints | undefined;
  readonly #reached = new Map<string, boolean>();
  readonly #live = new Map<string, boolean>();
  readonly #fired = new Map<string, number>();
  #ended: ReadonlySet<string> = new Set();

  /** @param options.declared the only names that may be given; undefined: any */
  constructor(
    random: SimRandom,
    options: { buggify: boolean; mutants: readonly string[]; declared?: DeclaredPoints | undefined },
  ) {
    this.#declared = options.declared;
    this.#random = random;
    this.#buggify = options.buggify;
    this.#mutants = new Set(options.mutants);
  }

  /** Every probe that was registered, by name. */
  get sometimesReached(): readonly ProbeState[] {
    return [...this.#reached].map(([name, reached]) => ({ name, reached })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** How often each fault point fired; one that was asked and did not is there with 0. */
  get buggifyFired(): ReadonlyMap<string, number> {
    return this.#fired;
  }

  sometimes(name: string, condition: boolean): void {
    expectDeclared('probe', name, this.#declared?.probes);
    if (condition) this.#reached.set(name, true);
    else if (!this.#reached.has(name)) this.#reached.set(name, false);
  }

  buggify(name: string): boolean {
    expectDeclared('fault point', name, this.#declared?.faultPoints);
    if (!this.#buggify) return false;
    const stream = this.#random.stream(`buggify/${name}`);
    let live = this.#live.get(name);
    if (live === undefined) {
      live = stream.chance(LIVE);
      this.#live.set(name, live);
      this.#fired.set(name, 0);
    }
    if (!live || this.#ended.has(name) || !stream.chance(FIRES)) return false;
    this.#fired.set(name, (this.#fired.get(name) ?? 0) + 1);
    return true;
  }

  /** The run's faults have ended: the fault points that lose messages fire no more, the others go on. */
  endLosses(): void {
    this.#ended = new Set(this.#declared?.losses);
  }

  mutant(name: string): boolean {
    return this.#mutants.has(name);
  }
}

function expectDeclared(kind: string, name: string, declared: readonly string[] | undefined): void {
  if (declared === undefined || declared.includes(name)) return;
  throw new Error(
    `expected a ${kind} that the engine declares, got "${name}"; add it to the engine's points, or nobody learns that it is never reached`,
  );
}
