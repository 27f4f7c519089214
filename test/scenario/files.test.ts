import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { scenarioFiles, schemaText } from '../../src/cli/scenarios.ts';
import { readVocabulary } from '../../src/cli/vocabulary.ts';
import { loadScenario } from '../../src/scenario/load.ts';

const files = scenarioFiles();
const validate = new Ajv2020({ strict: false, allErrors: true }).compile(JSON.parse(schemaText()));

describe('the scenarios of the package', () => {
  it('should have a JSON schema that is current: hotfire scenarios --schema > scenarios/schema.json', () => {
    expect(readFileSync('scenarios/schema.json', 'utf8')).toBe(schemaText());
  });

  it('should be there for every incident of the runbooks', () => {
    expect(files.length).toBeGreaterThanOrEqual(25);
  });

  it.each(files)('should be read, complete in an editor, and name their source: %s', (file) => {
    const text = readFileSync(file, 'utf8');
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=../schema.json');
    const scenario = loadScenario(text, readVocabulary(), { file });
    expect(scenario.source).toBeDefined();
    validate(parse(text));
    expect(validate.errors ?? []).toEqual([]);
  });

  it('should be refused by the JSON schema when a key is mistyped', () => {
    const [first = ''] = files;
    const scenario = parse(readFileSync(first, 'utf8'));
    expect(validate({ ...scenario, sed: 1 })).toBe(false);
    expect(validate({ ...scenario, timeline: [{ at: '1s', fault: 'process.kil' }] })).toBe(false);
    expect(validate({ ...scenario, timeline: [{ at: '1s', fault: 'process.kill', restrat: '1s' }] })).toBe(false);
  });
});
