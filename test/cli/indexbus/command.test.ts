import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { indexbusCommand } from '../../../src/cli/indexbus/command.ts';
import { perSecond, triageText } from '../../../src/cli/indexbus/text.ts';
import { busErrorStatus } from '../../../src/engines/indexbus/errors.ts';
import { explanations } from '../../../src/engines/indexbus/explain.ts';
import { bodyOfWords } from '../../../src/engines/indexbus/operatorCommands.ts';

describe('hotfire indexbus', () => {
  it('should have the commands of its contract, each with examples in its help', () => {
    const all = indexbusCommand().commands.flatMap((it) => (it.commands.length > 0 ? it.commands : [it]));
    const names = indexbusCommand().commands.map((it) => it.name());
    expect(names).toEqual(
      expect.arrayContaining('top triage lanes producers lane detach agents ping roll tail inspect explain'.split(' ')),
    );
    for (const command of all) {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      expect([command.name(), help.includes('Examples:\n  $ hotfire indexbus')]).toEqual([command.name(), true]);
      expect([command.name(), help.includes('--json')]).toEqual([command.name(), true]);
    }
  });

  it('should read key=value words, numbers as numbers', () => {
    expect(bodyOfWords(['capacity=8192', 'drop=oldest'])).toEqual({ capacity: 8_192, drop: 'oldest' });
    expect(() => bodyOfWords(['capacity'])).toThrow('key=value');
  });

  it('should explain every code', () => {
    expect(Object.keys(explanations).sort()).toEqual(Object.keys(busErrorStatus).sort());
    const page = readFileSync(resolve('docs/indexbus.md'), 'utf8');
    for (const [code, { means, do: todo }] of Object.entries(explanations)) {
      expect(page).toContain(`| \`${code}\` | ${means} | ${todo} |`);
    }
  });

  it('should print a verdict with its evidence and the next command', () => {
    expect(triageText({ side: 'upstream', evidence: ['a'], next: ['b'] })).toBe(
      'upstream: producers wait\n  a\nnext: b',
    );
    expect([perSecond(0), perSecond(1_500), perSecond(2_360_000)]).toEqual(['0.0 /s', '1.5 k/s', '2.36 M/s']);
  });
});
