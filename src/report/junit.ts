import type { RunRecord } from '../scenario/runRecord.ts';

/**
 * A run as JUnit XML, one test case an expectation and a check, as CI systems read it. What is undecided is an `error`, what is
 * violated a `failure`. Times are seconds of real time, on the suite alone.
 */
export function junitXml(record: RunRecord): string {
  const { expectations, title, engine, realMs } = record;
  const count = (outcome: string) => expectations.filter((result) => result.outcome === outcome).length;
  const name = attribute(`${engine}: ${title}, seed ${record.seed}`);
  const seconds = (realMs / 1000).toFixed(3);
  const totals = `tests="${expectations.length}" failures="${count('violated')}" errors="${count('undecided')}" time="${seconds}"`;
  const cases = expectations.map(({ text, outcome, detail }) => {
    const head = `    <testcase classname=${attribute(`${engine}.${title}`)} name=${attribute(text)} time="0"`;
    if (outcome === 'held') return `${head}/>`;
    const element = outcome === 'violated' ? 'failure' : 'error';
    return `${head}>\n      <${element} message=${attribute(detail)}>${escaped(`${text}\n${detail}\n${record.command}`)}</${element}>\n    </testcase>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${totals}>`,
    `  <testsuite name=${name} ${totals}>`,
    '    <properties>',
    ...(['seed', 'commit', 'fingerprint', 'command'] as const).map(
      (key) => `      <property name="${key}" value=${attribute(String(record[key]))}/>`,
    ),
    '    </properties>',
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function attribute(text: string): string {
  return `"${escaped(text).replaceAll('"', '&quot;').replaceAll('\n', '&#10;')}"`;
}

/** Characters that XML 1.0 does not have at all become U+FFFD. */
function escaped(text: string): string {
  return [...text]
    .map((character) => (isXmlCharacter(character.codePointAt(0) ?? 0) ? character : '\ufffd'))
    .join('')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}

/** `Char` of XML 1.0, production 2. */
function isXmlCharacter(code: number): boolean {
  return (
    code === 0x9 ||
    code === 0xa ||
    code === 0xd ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    code >= 0x10000
  );
}
