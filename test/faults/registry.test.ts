import { expect, test } from 'vitest';
import { FaultError } from '../../src/faults/fault.ts';
import { faults, parseFault } from '../../src/faults/registry.ts';
import { World } from '../../src/sim/world.ts';
import { applyFault } from './stand.ts';

test('every fault of the vocabulary that is here has its name, its family and a summary', () => {
  const names = [...faults.keys()];
  const expected = [
    ...['partition', 'latency', 'loss', 'bandwidth', 'reset', 'half-open', 'refuse', 'hang', 'swizzle', 'slice'].map(
      (name) => `network.${name}`,
    ),
    ...['kill', 'power-loss', 'wipe', 'old-disk', 'pause', 'slow', 'memory'].map((name) => `process.${name}`),
    ...['offset', 'drift', 'jump', 'freeze'].map((name) => `clock.${name}`),
  ];
  expect(names.filter((name) => /^(network|process|clock)\./.test(name)).sort()).toEqual(expected.sort());
  expect(names.filter((name) => name.startsWith('disk.')).length).toBeGreaterThanOrEqual(15);
  for (const [name, fault] of faults) {
    expect(fault.name).toBe(name);
    expect(name.startsWith(`${fault.family}.`)).toBe(true);
    expect(fault.summary).toMatch(/\.$/);
  }
});

test('a mistyped fault is answered with the nearest one', () => {
  expect(() => parseFault('network.partion', {})).toThrow('did you mean network.partition?');
  expect(() => parseFault('network.partion', {})).toThrow(FaultError);
});

test('a mistyped parameter is answered with the nearest one, a bad value with what was expected', () => {
  expect(() => parseFault('network.latency', { mena: 5, mean: 1 })).toThrow(
    'mena: there is no such parameter; did you mean mean?',
  );
  expect(() => parseFault('network.loss', { percent: 130 })).toThrow('percent: expected a percentage from 0 to 100');
  expect(() => parseFault('process.slow', {})).toThrow('factor');
});

test('parameters are parsed to units and defaults', () => {
  expect(parseFault('network.latency', { mean: '1.5s' }).parameters).toEqual({
    mean: 1500,
    jitter: 0,
    distribution: 'uniform',
  });
  expect(parseFault('clock.jump', { ms: '-150ms' }).parameters).toEqual({ ms: -150 });
});

test('a target that the world does not have is named, with those that it has', () => {
  const world = new World({ seed: 1 });
  world.addMachine('n1');
  expect(() => applyFault(world, 'process.kill', {}, ['n2'])).toThrow('node n2: expected one of n1');
  expect(() => applyFault(world, 'process.kill', {}, [])).toThrow('expected at least one node');
});

test('every fault describes itself for the timeline with its targets', () => {
  const samples: readonly (readonly [string, unknown, string])[] = [
    ['network.partition', { groups: [['n1'], ['n2']] }, 'partition: n1 | n2'],
    ['network.partition', { direction: 'to' }, 'n1, n2 cut off from everybody else, one way (to)'],
    ['network.latency', { mean: 20, jitter: 5 }, 'packets of n1, n2 take 20 ms longer (uniform, jitter 5 ms)'],
    ['process.kill', { restart: '5s' }, 'SIGKILL to n1, n2, back after 5s'],
    ['process.memory', { limit: '1GiB', leakPerSecond: '1MiB' }, 'n1, n2 has 1GiB of memory and leaks 1MiB/s'],
    ['clock.drift', { ppm: -50 }, 'clock of n1, n2 drifts by -50 ppm'],
  ];
  for (const [name, raw, text] of samples) {
    const { definition, parameters } = parseFault(name, raw);
    expect(definition.describe(parameters, ['n1', 'n2'])).toBe(text);
  }
});
