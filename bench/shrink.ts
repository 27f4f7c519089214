/**
 * How far failing runs come down: planted bugs of different kinds, each in big runs (40 faults, 5 nodes, some 2,000
 * operations) until one is violated, which is then made smaller.
 *
 *   npm run bench -- shrink [--mutant NAME …] [--runs N] [--out DIR]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { shrinkRunsMaxDefault } from '../src/chaos/runSeed.ts';
import { describedBy, sizeText } from '../src/chaos/shrink/describe.ts';
import { textOf } from '../src/chaos/shrink/search.ts';
import { shrink } from '../src/chaos/shrink/shrink.ts';
import { playDocument, playersOf, trialOf } from '../src/chaos/shrink/trial.ts';
import { stemedbChaos } from '../src/chaos/stemedb/chaos.ts';
import type { StemeDraw } from '../src/chaos/stemedb/draw.ts';
import { entryNamed } from '../src/chaos/stemedb/menu/menu.ts';
import { plantedBugs } from '../src/chaos/stemedb/plantedBugs.ts';
import { readVocabulary } from '../src/cli/vocabulary.ts';

const faultsOfRun = 40;
const nodesOfRun = 5;
/** Big runs of one bug before it counts as not found. */
const seedsMax = 30;

const { values: flags } = parseArgs({
  options: {
    mutant: { type: 'string', multiple: true },
    runs: { type: 'string', default: String(shrinkRunsMaxDefault) },
    out: { type: 'string' },
  },
});
const vocabulary = readVocabulary();
let missed = false;

console.log('| kind | planted bug | before | after | runs | seconds |\n|---|---|---|---|---|---|');
for (const { kind, mutant } of plantedBugs) {
  if (flags.mutant === undefined || flags.mutant.includes(mutant)) await measure(kind, mutant);
}
process.exitCode = missed ? 1 : 0;

async function measure(kind: string, mutant: string): Promise<void> {
  const { complete, engine } = stemedbChaos;
  const found = await find(mutant);
  if (found === undefined) {
    missed = true;
    console.log(`| ${kind} | ${mutant} | not found in ${seedsMax} runs | | | |`);
    return;
  }
  const { seed, document, trial } = found;
  const startedAt = performance.now();
  let shownAt = startedAt;
  const { document: smallest, explanation } = await shrink({
    document,
    trial,
    complete,
    runsMax: Number(flags.runs),
    ...playersOf(engine, vocabulary, [mutant]),
    onProgress({ pass, runs, runsMax, faults, nodes, operations }) {
      if (performance.now() - shownAt < 10_000) return;
      shownAt = performance.now();
      console.error(
        `${mutant}: ${pass}: ${runs}/${runsMax} runs, ${faults} faults, ${nodes} nodes, ${operations} operations`,
      );
    },
  });
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
  const { before, after, runs, steps, oneMinimal } = explanation;
  const left = steps.map(({ text }) => `\`${text.replace(/ at .*/, '')}\``).join(', ');
  const minimal = oneMinimal ? '' : ' (not shown to be minimal)';
  console.log(
    `| ${kind} | ${mutant} (seed ${seed}) | ${sizeText(before)} | ${sizeText(after)}${minimal}: ${left} | ${runs} | ${seconds} |`,
  );
  if (after.faults > 3) missed = true;
  if (flags.out === undefined) return;
  mkdirSync(flags.out, { recursive: true });
  writeFileSync(join(flags.out, `${mutant}.before.yaml`), textOf(document));
  writeFileSync(join(flags.out, `${mutant}.yaml`), textOf(describedBy(smallest, explanation)));
}

/** The first big run that is violated with the bug and holds without it. */
async function find(mutant: string) {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const document = stemedbChaos.scenarioOf(bigDraw(seed));
    const record = await playDocument(document, vocabulary, [mutant]);
    console.error(`${mutant}: big run ${seed}: ${record?.verdict ?? 'makes no sense'}`);
    if (record?.verdict !== 'violated') continue;
    if ((await playDocument(document, vocabulary, []))?.verdict !== 'held') continue;
    return { seed, document, trial: trialOf(document, record) };
  }
  return undefined;
}

/**
 * A draw with the faults of many, until there are enough, on as many nodes as there may be. Every second one without damaged
 * media: where acknowledged bytes may be gone, detection is all that is demanded.
 */
function bigDraw(seed: number): StemeDraw {
  const [first, ...others] = fc.sample(stemedbChaos.draws, { seed, numRuns: 60, unbiased: true });
  if (first === undefined) throw new Error('unreachable: draws were asked for');
  let big: StemeDraw = {
    ...first,
    kind: 'faulty',
    nodes: nodesOfRun,
    load: { ...first.load, writers: 4, thinkMs: 80 },
  };
  for (const fault of others.flatMap((draw) => draw.faults)) {
    if (faultsIn(big) >= faultsOfRun) break;
    if (seed % 2 === 1 && entryNamed(fault.entry).family === 'media') continue;
    big = { ...big, faults: [...big.faults, fault] };
  }
  return big;
}

function faultsIn(draw: StemeDraw): number {
  const { timeline } = stemedbChaos.scenarioOf(draw);
  return Array.isArray(timeline) ? timeline.length : 0;
}
