import { expect, test } from 'vitest';
import { junitXml } from '../../src/report/junit.ts';
import { sampleRecord } from './sampleRecord.ts';

test('should have a test case for each expectation, and count what did not hold', () => {
  const record = {
    ...sampleRecord(),
    expectations: [
      { text: 'a', outcome: 'held', detail: 'seen' },
      { text: 'b < "c" & d', outcome: 'violated', detail: "it was 'e'\u0007\nand more" },
      { text: 'f', outcome: 'undecided', detail: 'no scrape' },
    ] as const,
  };
  const xml = junitXml(record);
  expect(xml).toContain('<testsuites tests="3" failures="1" errors="1" time=');
  expect(xml.match(/<testcase /g)).toHaveLength(3);
  expect(xml).toContain('name="b &lt; &quot;c&quot; &amp; d"');
  expect(xml).toContain(
    `<failure message="it was 'e'\ufffd&#10;and more">b &lt; "c" &amp; d\nit was 'e'\ufffd\nand more\n`,
  );
  expect(xml).toContain('<error message="no scrape">');
  expect(xml).toContain(`<property name="fingerprint" value="${record.fingerprint}"/>`);
});
