/**
 * `npm run conformance -- etcd-raft DIR`: runs every datadriven file of etcd's raft below DIR (quorum, confchange, interaction)
 * against src/consensus. Prints failing cases as differences, then how many there were. Exit 0: all passed; 1: some did not, or
 * there are none; 64: usage.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { caseFiles, difference, runFile } from './datadriven/run.ts';

const [suite, folder, ...rest] = process.argv.slice(2);
if (suite !== 'etcd-raft' || folder === undefined || rest.length > 0 || !existsSync(folder)) {
  const came = folder !== undefined && !existsSync(folder) ? `: ${folder} does not exist` : '';
  console.error(`usage: npm run conformance -- etcd-raft DIR${came}`);
  process.exit(64);
}

const root = resolve(folder);
const results = caseFiles(root).map((path) => runFile(path, root));
for (const { file, cases, failures } of results) {
  for (const { where, directive, expected, actual } of failures) {
    console.log(`FAIL ${where} ${directive}\n${difference(expected, actual)}\n`);
  }
  console.log(`${failures.length === 0 ? 'ok  ' : 'FAIL'} ${file} ${cases - failures.length}/${cases}`);
}
const cases = results.reduce((sum, result) => sum + result.cases, 0);
const failed = results.reduce((sum, result) => sum + result.failures.length, 0);
console.log(`etcd-raft: ${results.length} files, ${cases} cases, ${cases - failed} passed, ${failed} failed`);
process.exit(failed > 0 || cases === 0 ? 1 : 0);
