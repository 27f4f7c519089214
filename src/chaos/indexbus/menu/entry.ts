import type { FaultDraw } from '../../faultDraw.ts';
import { choose, faultStep, type LaterStep, type MenuEntry, type Step, scale } from '../../faultMenu.ts';

export const families = [
  'kill',
  'crash',
  'pause',
  'slow',
  'wake',
  'proof',
  'load',
  'operator',
  'outside',
  'group',
] as const;
export type Family = (typeof families)[number];

/** Who takes part in a run, as its faults see them. */
export interface Cast {
  readonly nodes: readonly string[];
  readonly producers: readonly string[];
  readonly consumers: readonly string[];
  /** Consumers of each subscription, of which messages wait for a next one where it loses its last; of all, where there is none such. */
  readonly groups: readonly (readonly string[])[];
  readonly subscriptions: readonly string[];
  /** Whether messages that nobody wants are held: then each topic has to have somebody again. */
  readonly holds: boolean;
}

/** One entry of the menu. */
export interface FaultEntry extends MenuEntry<Family> {
  /** What happens. */
  readonly steps: (draw: FaultDraw, cast: Cast) => readonly LaterStep[];
  /** Rings of the run have as many places as its lanes need, and no more. */
  readonly needsTightRings?: boolean;
}

/** How long a lasting fault lasts, in milliseconds. */
export function lasting(draw: FaultDraw, highMs = 3_000): number {
  return scale(draw.length, 10, highMs);
}

/** A fault step on `nodes`: `more` are the step's own keys, `parameters` the fault's. */
export function fault(name: string, nodes: string | readonly string[], more: Step, parameters: Step = {}): Step {
  return faultStep(name, { nodes, ...more }, parameters);
}

/** A request of an operator to the router that serves; what is refused is refused. */
export function request(method: string, path: string, body: Readonly<Record<string, unknown>>): Step {
  return fault(
    'operator.request',
    'primary',
    {},
    { method, path: `/v1/segments/bus${path}`, body: JSON.stringify(body) },
  );
}

/** Lanes whose policy an operator changes together. */
const lanesChanged = 8;

/** An operator gives all lanes this policy; those that cannot have it keep theirs. */
export function allLanes(body: Readonly<Record<string, unknown>>): readonly LaterStep[] {
  return Array.from({ length: lanesChanged }, (_, lane) => ({
    afterMs: 0,
    step: request('PATCH', `/lanes/${lane}`, body),
  }));
}

export function consumer({ where }: FaultDraw, { consumers }: Cast): string {
  return choose(where, consumers);
}

export function producer({ where }: FaultDraw, { producers }: Cast): string {
  return choose(where, producers);
}

export function participant({ where }: FaultDraw, { producers, consumers }: Cast): string {
  return choose(where, [...consumers, ...producers]);
}
