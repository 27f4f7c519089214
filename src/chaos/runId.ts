import fc from 'fast-check';
import seedrandom from 'seedrandom';
import { createDrawing } from '../host/drawing.ts';
import { deriveSeed } from '../sim/hash.ts';
import type { ChaosDefinition, Draw } from './definition.ts';

/**
 * The identity of a run: the numbers of its lineage, joined by dots. `17` is the plain draw of seed 17. `17.60` is run 60, drawn
 * near run 17, and `17.60.95` is run 95, drawn near `17.60`. It holds all that the run is made from, so any run is played
 * again by its name alone, without the campaign that it came from.
 */

/** Numbers are what fast-check takes as a seed: 31 bits. */
export const runNumberMax = 2 ** 31 - 1;

/** Longest lineage: a run near such a one is drawn near its ancestor. Bounds the cost of drawing and the length of names. */
export const lineageMax = 8;

/** The numbers of a run's lineage, oldest first; undefined when the text names no run. */
export function parseRunId(text: string): readonly number[] | undefined {
  if (!/^(0|[1-9]\d*)(\.(0|[1-9]\d*))*$/.test(text)) return undefined;
  const numbers = text.split('.').map(Number);
  const known = numbers.length <= lineageMax && numbers.every((number) => number <= runNumberMax);
  return known ? numbers : undefined;
}

/** The name of run `number` drawn near `parent`; of one as old as a lineage can be, near its nearest ancestor instead. */
export function nearRunId(parent: string, number: number): string {
  const lineage = parent.split('.').slice(0, lineageMax - 1);
  return [...lineage, number].join('.');
}

/** Its own number: the last of its lineage. */
export function runNumber(run: string): number {
  return Number(run.slice(run.lastIndexOf('.') + 1));
}

/**
 * Draws the run that the name stands for: the plain draw of its oldest number, then for each further one a draw near what there
 * is so far.
 *
 * @throws RangeError when the text names no run
 */
export function drawRun(definition: ChaosDefinition, run: string): Draw {
  const numbers = parseRunId(run);
  if (numbers === undefined) throw new RangeError(`expected the name of a run such as 17 or 17.60, got ${run}`);
  const [oldest = 0, ...others] = numbers;
  let draw = plainDraw(definition, oldest);
  for (const [depth, number] of others.entries()) {
    const parent = numbers.slice(0, depth + 1).join('.');
    const generator = seedrandom.alea(deriveSeed(number, `chaos/near/${parent}`));
    draw = nearDraw(definition, draw, number, createDrawing(() => generator.int32() >>> 0).float);
  }
  return draw;
}

/** Draws near a parent that may come to the parent's own scenario, at most; then the plain draw takes the place. */
const nearTries = 16;

/**
 * A draw near the parent whose scenario is another than the parent's: a change of what the parent's kind of run does not look
 * at would only play the parent again.
 */
function nearDraw(definition: ChaosDefinition, parent: Draw, number: number, random: () => number): Draw {
  const fresh = plainDraw(definition, number);
  const known = JSON.stringify(definition.scenarioOf(parent));
  for (let attempt = 0; attempt < nearTries; attempt++) {
    const draw = definition.near(parent, fresh, random);
    if (JSON.stringify(definition.scenarioOf(draw)) !== known) return draw;
  }
  return fresh;
}

/**
 * The draw of one seed alone. Unbiased: fast-check's bias towards small values and edges, meant for the first of many runs of a
 * property, would be in every run here, and bend the weights of the menu and a quarter of the engine's seeds.
 */
export function plainDraw(definition: ChaosDefinition, seed: number): Draw {
  const [draw] = fc.sample(definition.draws, { seed, numRuns: 1, unbiased: true });
  if (draw === undefined) throw new Error('unreachable: one draw was asked for');
  return draw;
}
