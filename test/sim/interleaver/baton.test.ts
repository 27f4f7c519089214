import { expect, it } from 'vitest';
import { Baton } from '../../../src/sim/interleaver/baton.ts';
import { Control, controlOver, State } from '../../../src/sim/interleaver/control.ts';

it.each([
  { other: 'may run', state: State.ready, hands: true },
  { other: 'sleeps', state: State.sleeping, hands: true },
  { other: 'has ended', state: State.over, hands: false },
  { other: 'was killed', state: State.killed, hands: false },
])('who ends hands the baton on, $hands, where the other one $other', ({ state, hands }) => {
  const memory = controlOver();
  const { words } = memory;
  words[Control.participants] = 2;
  words[Control.state + 1] = state;
  const baton = new Baton(memory, 0);
  const isHandedOn = baton.play(() => {});
  expect([isHandedOn, words[Control.go + 1]]).toEqual([hands, hands ? 1 : 0]);
});
