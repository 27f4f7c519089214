import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { engines } from '../../src/engines/registry.ts';
import { World } from '../../src/sim/world.ts';

const sources = resolve(import.meta.dirname, '../../src');

/** Names that the code gives to a call, wherever its line breaks; each must be a literal, or nobody could declare it. */
function namesIn(call: string): string[] {
  const names = new Set<string>();
  for (const file of globSync('{engines,storage,wire,consensus,membership}/**/*.ts', { cwd: sources })) {
    const text = readFileSync(resolve(sources, file), 'utf8');
    for (const [found, name] of text.matchAll(new RegExp(`\\.${call}\\(\\s*(?:'([^']+)')?`, 'g'))) {
      expect(name, `${file}: ${found} is given a name that is no literal`).toBeDefined();
      if (name !== undefined) names.add(name);
    }
  }
  return [...names].toSorted();
}

describe('what the engines declare', () => {
  test.each([
    ['sometimes', 'probes'],
    ['buggify', 'faultPoints'],
  ] as const)('should be exactly what their code gives to %s', (call, kind) => {
    const declared = new Set([...engines.values()].flatMap(({ points }) => points[kind]));
    expect(declared.size).toBeGreaterThan(0);
    expect([...declared].toSorted()).toEqual(namesIn(call));
  });
});

test('should let no name pass on the stand that was not declared, whether fault points fire or not', () => {
  for (const buggify of [false, true]) {
    const points = { probes: ['known'], faultPoints: ['here'] };
    const { probes } = new World({ seed: 1, buggify, points });
    probes.sometimes('known', true);
    probes.buggify('here');
    expect(() => probes.sometimes('knwon', false)).toThrow('expected a probe that the engine declares, got "knwon"');
    expect(() => probes.buggify('there')).toThrow('expected a fault point that the engine declares, got "there"');
    expect(probes.sometimesReached).toEqual([{ name: 'known', reached: true }]);
  }
});
