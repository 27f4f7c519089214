import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { readVocabulary } from '../../src/cli/vocabulary.ts';
import { splitWords } from '../../src/scenario/command.ts';
import { parseOverride } from '../../src/scenario/document.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { nodeWords } from '../../src/scenario/nodeSpec.ts';
import { builtInVerbs } from '../../src/scenario/references.ts';
import { scenarioSchema, stepSchemas } from '../../src/scenario/schema.ts';
import { indexBusLoadSchema } from '../../src/scenario/stands/indexbus/loadSchema.ts';
import { verbNames as indexBusVerbs } from '../../src/scenario/stands/indexbus/verbs.ts';
import { stemeLoadSchema } from '../../src/scenario/stands/stemedb/loadSchema.ts';
import { verbNames } from '../../src/scenario/stands/stemedb/verbs.ts';
import { streamBusLoadSchema } from '../../src/scenario/stands/streambus/loadSchema.ts';
import { verbNames as streamBusVerbs } from '../../src/scenario/stands/streambus/verbs.ts';
import { nodeStates } from '../../src/scenario/words.ts';

// The page docs/scenarios.md: what it shows is read by the product, what it lists is what there is.

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/scenarios.md'), 'utf8');
const vocabulary = readVocabulary();
const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, text = '']) => text);
const [whole = '', ...parts] = blocks;

/** Words in backquotes in the first column of the table behind a heading or comment. */
function firstColumn(mark: string): string[] {
  const table = page.slice(page.indexOf(mark) + mark.length).match(/^\|[\s\S]*?(?=^[^|]|$(?![\s\S]))/m)?.[0] ?? '';
  const rows = table.trimEnd().split('\n').slice(2);
  expect(rows.length).toBeGreaterThan(3);
  return rows.flatMap((row) =>
    [...(row.replaceAll('\\|', '/').split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, word = '']) => word),
  );
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-docs-scenarios-'));
  writeFileSync(join(folder, 'incident.yaml'), whole);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function replay(...argumentList: string[]) {
  const command = [join(root, 'src/cli/main.ts'), 'replay', 'incident.yaml', '--quiet', ...argumentList];
  return spawnSync(process.execPath, command, { cwd: folder, encoding: 'utf8' });
}

describe('the page about scenarios', () => {
  it('should begin with a scenario that holds, and is violated when its fault is shorter than it tells', () => {
    const { status, stdout } = replay();
    expect(status, stdout).toBe(0);
    for (const file of ['index.html', 'timeline.md', 'report.json']) {
      expect(existsSync(join(folder, 'reports/incident-1', file))).toBe(true);
    }
    expect(replay('--set', 'timeline.hang.duration=30s').status).toBe(1);
    expect(replay('--set', 'timeline.hang.fault=disk.stal').status).toBe(78);
    expect(replay('--no-such-option').status).toBe(64);
  });

  it('should show parts that the first scenario takes in place of its own', () => {
    expect(parts.length).toBeGreaterThanOrEqual(6);
    for (const part of parts) {
      const keys = parse(part) as Record<string, unknown>;
      expect(Object.keys(keys).filter((key) => !(key in scenarioSchema.shape))).toEqual([]);
      // A timeline of its own does not have the steps that the first one's expectations name.
      const base = { ...parse(whole), expect: {} };
      const scenario = loadScenario(stringify({ ...base, ...keys }), vocabulary, { file: part });
      if ('timeline' in keys) expect(scenario.timeline.length).toBe((keys.timeline as unknown[]).length);
    }
    const mistyped = whole.replace('device: sdb', 'devise: sdb');
    expect(() => loadScenario(mistyped, vocabulary)).toThrow(/device/);
  });

  it('should list every key, trigger, state and word that there is', () => {
    expect(firstColumn('## Keys of the file').sort()).toEqual(Object.keys(scenarioSchema.shape).sort());
    expect(firstColumn('| a step has one of ').sort()).toEqual(Object.keys(stepSchemas).sort());
    for (const word of [...nodeWords, ...nodeStates]) expect(page).toContain(`\`${word}\``);
    const { expect: expected } = parse(
      stringify({ expect: scenarioSchema.parse({ title: 't', engine: 'e', duration: '1s' }).expect }),
    );
    expect(firstColumn('| key of `expect` ')).toEqual(expect.arrayContaining(Object.keys(expected)));
  });

  it('should list the keys of the load and the commands of streambus, and no other', () => {
    expect(firstColumn('<!-- streambus load -->').sort()).toEqual(Object.keys(streamBusLoadSchema.shape).sort());
    const verbs = firstColumn('<!-- streambus verbs -->').map((line) => line.split(/[ /]/)[0] ?? '');
    expect([...new Set(verbs)].sort()).toEqual([...streamBusVerbs].sort());
  });

  it('should list the keys of the load and the commands of indexbus, and no other', () => {
    expect(firstColumn('<!-- indexbus load -->').sort()).toEqual(Object.keys(indexBusLoadSchema.shape).sort());
    const verbs = firstColumn('<!-- indexbus verbs -->').map((line) => line.split(/[ /]/)[0] ?? '');
    expect([...new Set(verbs)].sort()).toEqual([...indexBusVerbs].sort());
  });

  it('should list every fault, command and key of the load, and no other', () => {
    expect(firstColumn('<!-- faults -->').sort()).toEqual([...vocabulary.faults.keys()].sort());
    const verbs = firstColumn('<!-- verbs -->').map((line) => line.split(/[ /]/)[0] ?? '');
    const known = [...builtInVerbs, ...verbNames];
    expect(
      [...new Set(verbs)].filter((verb) => !known.includes(verb as never) && verb !== 'log-archiver.timer'),
    ).toEqual([]);
    for (const verb of known) expect(verbs).toContain(verb);
    expect(firstColumn('<!-- load -->').sort()).toEqual(Object.keys(stemeLoadSchema.shape).sort());
  });

  it('should name parameters that the faults have', () => {
    for (const row of page.slice(page.indexOf('<!-- faults -->')).matchAll(/^\| (`[a-z-]+\.[^|]*) \| ([^|]*) \|/gm)) {
      const named = [...(row[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
      const taken = named.flatMap((name) =>
        Object.keys((vocabulary.faults.get(name)?.schema as { shape?: object } | undefined)?.shape ?? {}),
      );
      const said = (row[2] ?? '')
        .split(/[,;] */)
        .map((word) => word.replace('!', '').trim())
        .filter((word) => word !== '');
      expect(
        said.filter((word) => !taken.includes(word)),
        row[1],
      ).toEqual([]);
      expect(
        taken.filter((word) => !said.includes(word)),
        row[1],
      ).toEqual([]);
    }
  });

  it('should show command lines whose overrides the scenario takes', () => {
    const lines = [...page.matchAll(/^hotfire replay (.*)$/gm)].map(([, line = '']) => splitWords(line) ?? []);
    expect(lines.length).toBeGreaterThan(2);
    for (const words of lines) {
      const overrides = words.flatMap((word, index) =>
        words[index - 1] === '--set' ? (parseOverride(word) ?? []) : [],
      );
      const scenario = loadScenario(whole, vocabulary, { overrides });
      expect(overrides.length === 0 || scenario.yaml !== loadScenario(whole, vocabulary).yaml).toBe(true);
    }
  });
});
