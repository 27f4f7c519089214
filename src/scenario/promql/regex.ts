/**
 * Compiles a regular expression of Prometheus (Go's RE2) for JavaScript, anchored at both ends; the dot matches a newline
 * as it does since Prometheus 3. The two syntaxes agree on what rules use; what JavaScript has and RE2 has not
 * (look-around, back references) is refused, so that a rule that works here works in Prometheus.
 * Throws `SyntaxError`.
 */
export function compileRegex(source: string): RegExp {
  const foreign = /(?<!\\)(?:\\\\)*(\(\?<?[=!]|\\[1-9]|\\k<)/.exec(source);
  if (foreign) throw new SyntaxError(`regular expression ${JSON.stringify(source)}: RE2 has no \`${foreign[1]}\``);
  let body = source.replaceAll('(?P<', '(?<');
  let flags = 's';
  const inline = /^\(\?([is]+)\)/.exec(body);
  if (inline) {
    body = body.slice(inline[0].length);
    if (inline[1]?.includes('i')) flags += 'i';
  }
  return new RegExp(`^(?:${body})$`, flags);
}
